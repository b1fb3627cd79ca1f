//! Work on several threads whose results come in order.
//!
//! Task `n` is the business of worker `n` modulo their number, each worker hands its results through a channel of its
//! own, and whoever takes them goes round the channels. What waits to be taken is bounded by the channels.

use std::sync::mpsc::{Receiver, sync_channel};

/// Results of one worker that may wait.
const WAITING_MAX: usize = 1;

/// More threads would only wait for the one that takes.
const THREADS_MAX: usize = 8;

/// Does the tasks side by side and hands each result on, in the order of the tasks, until `take` fails. `worker` makes
/// what one thread works with.
pub(crate) fn in_order<T, R, E, W>(
    tasks: &[T],
    worker: impl Fn() -> W + Sync,
    mut take: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E>
where
    T: Sync,
    R: Send,
    W: FnMut(&T) -> R,
{
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = processors.min(THREADS_MAX).min(tasks.len());
    if threads <= 1 {
        let mut work = worker();
        return tasks.iter().try_for_each(|task| take(work(task)));
    }
    std::thread::scope(|scope| {
        let start = |number: usize| -> Receiver<R> {
            let (sender, receiver) = sync_channel(WAITING_MAX);
            let worker = &worker;
            scope.spawn(move || {
                let mut work = worker();
                for task in tasks.iter().skip(number).step_by(threads) {
                    if sender.send(work(task)).is_err() {
                        return;
                    }
                }
            });
            receiver
        };
        let results: Vec<Receiver<R>> = (0..threads).map(start).collect();
        // A worker that ends early has panicked, which the scope passes on.
        for result in results.iter().cycle().take(tasks.len()).map_while(|results| results.recv().ok()) {
            take(result)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_tasks_until_one_is_refused() {
        let tasks: Vec<u32> = (0..100).collect();
        let mut taken = Vec::new();
        let all = in_order(
            &tasks,
            || |task: &u32| task * 2,
            |result| {
                taken.push(result);
                Ok::<_, u32>(())
            },
        );
        assert_eq!((all, taken), (Ok(()), (0..100).map(|task| task * 2).collect()));
        let mut count = 0;
        let some = in_order(
            &tasks,
            || |task: &u32| *task,
            |result| {
                count += 1;
                if result == 41 { Err(result) } else { Ok(()) }
            },
        );
        assert_eq!((some, count), (Err(41), 42));
        assert_eq!(in_order(&[], || |task: &u32| *task, |_| Err(())), Ok(()));
    }
}
