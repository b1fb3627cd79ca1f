-- One column of each type, with the values that are easily lost.
CREATE TYPE colour AS ENUM ('z red', 'a,blue', 'it''s');
CREATE DOMAIN small AS int CHECK (VALUE < 100);
CREATE DOMAIN smaller AS small CHECK (VALUE < 10);
CREATE TYPE pair AS (a int, b text);

CREATE TABLE v (
    id int PRIMARY KEY, tiny int2, whole int8, exact numeric, real_ real, double float8, money_ money, flag bool,
    letters text, padded char(6), bounded varchar(9), one "char", name_ name, bytes bytea,
    day date, clock time, zoned_clock timetz, plain timestamp, rounded timestamp(0), zoned timestamptz, while_ interval,
    uuid_ uuid, j json, jb jsonb, x xml, bits bit(5), more_bits bit varying, inet_ inet, cidr_ cidr, mac macaddr, mac8 macaddr8,
    point_ point, box_ box, path_ path, circle_ circle, vector tsvector, query tsquery, lsn pg_lsn, class regclass, number oid,
    colour_ colour, small_ small, smaller_ smaller, pair_ pair, pairs pair[], ints int[][], texts text[], stamps timestamptz[],
    range_ int4range, ranges tstzrange, jpath jsonpath, large text, large_bytes bytea
);

INSERT INTO v VALUES (
    1, -32768, 9223372036854775807, 'NaN', 'NaN', 'NaN', '-1234567.89', true,
    E'tab\t nl\n cr\r back\\ nul?\b\f\v "quotes'' ', 'ab', 'x', 'c', 'n', '\x00ff5c0a',
    '0044-03-15 BC', '24:00', '12:00+05:30', '0001-01-01 BC', '1999-12-31 23:59:59.6', '0044-03-15 12:00 UTC BC', '-1 year 2 days -03:04:05.6',
    'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{"b" :  1, "a":[1 ,2]}', '{"b": 1e2, "a": "\u00e9\n"}', '<a b="c">d</a>', B'10101', B'',
    '192.168.0.1/24', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05',
    '(1.5,-0)', '((1,2),(3,4))', '[(0,0),(1,1)]', '<(1,2),3>', 'a fat cat:3A', 'fat & !rat', '16/B374D848', 'v', 4294967295,
    'it''s', 99, 9, '(1,"a ""b"" c")', ARRAY['(1,x)', NULL]::pair[], '[-1:0][2:3]={{1,2},{3,NULL}}', '{NULL,"NULL","",a b,"c\"d"}', '{infinity,2020-01-01}',
    'empty', '[2020-01-01,)', '$.a[*] ? (@ > 1)', repeat('0123456789', 6000), decode(repeat('00ff', 20000), 'hex')
);
INSERT INTO v (id, letters, exact, real_, double, day, plain, zoned, bytes, colour_, whole)
    VALUES (2, '\N', '-0.000', '-0', '-0', 'infinity', 'infinity', '-infinity', '', 'z red', -9223372036854775808);
INSERT INTO v (id, letters, exact, real_, double, day, plain, zoned)
    VALUES (3, '', '123456789012345678901234567890.123456789', '1e-45', '5e-324', '-infinity', '-infinity', '294276-12-31 23:59:59.999999+00');
INSERT INTO v (id, double, day) VALUES (4, 'Infinity', '5874897-12-31');
INSERT INTO v (id) VALUES (5);

CREATE TABLE odd_key (a numeric, b text COLLATE "C", c timestamptz, d bytea, PRIMARY KEY (a, b, c, d));
INSERT INTO odd_key VALUES (1.10, '', 'infinity', ''), (-3, 'é', '2020-01-01', '\x00'), ('NaN', 'z', '-infinity', '\xff');
CREATE TABLE float_key (f float8 PRIMARY KEY);
INSERT INTO float_key VALUES ('-0'), ('NaN'), (1e300);
CREATE TABLE unique_only (a int UNIQUE, b uuid NOT NULL UNIQUE, c int NOT NULL, EXCLUDE (c WITH =));
INSERT INTO unique_only VALUES (NULL, md5('1')::uuid, 1), (NULL, md5('2')::uuid, 2);

-- Only types that go in binary form, so that this table is loaded that way.
CREATE TABLE simple (
    id int PRIMARY KEY, tiny int2, whole int8, exact numeric, money_like numeric(12, 2), real_ real, double float8, flag bool,
    letters text, padded char(6), bounded varchar(9), name_ name, bytes bytea, day date, plain timestamp, rounded timestamp(0),
    zoned timestamptz, uuid_ uuid, j json, jb jsonb, inet_ inet, cidr_ cidr, mac macaddr, colour_ colour, small_ smaller
);
INSERT INTO simple VALUES
    (1, -32768, 9223372036854775807, '123456789012345678901234567890.000123', 10.5, '3.4028235e38', '-1.7976931348623157e308', true,
        E'tab\t nl\n back\\ ', 'ab', 'x', 'n', '\x00ff5c0a', '0044-03-15 BC', '0001-01-01 BC', '1999-12-31 23:59:59.6',
        '0044-03-15 12:00 UTC BC', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"b" :  1}', '{"b": 1e2}', '192.168.0.1/24', '10.0.0.0/8',
        '08:00:2b:01:02:03', 'a,blue', 9),
    (2, 32767, -9223372036854775808, 'NaN', -0.01, 'NaN', 'Infinity', false, '\N', '', '', '', '', 'infinity', '-infinity',
        'infinity', '-infinity', '00000000-0000-0000-0000-000000000000', 'null', '"x"', '2001:db8::1/64', '2001:db8::/32',
        'ff:ff:ff:ff:ff:ff', 'it''s', -2147483648),
    (3, 0, 0, '-0.00010000', 0, '-0', '-0', NULL, '', NULL, NULL, NULL, NULL, '5874897-12-31', '294276-12-31 23:59:59.999999',
        NULL, '1999-12-31 23:59:59.999999+00', NULL, NULL, NULL, '::ffff:1.2.3.4', '0.0.0.0/0', NULL, NULL, NULL);
INSERT INTO simple (id, exact) SELECT 10 + n, power(10::numeric, n - 20) * 12345.678 FROM generate_series(1, 40) n;
INSERT INTO simple (id, letters, bytes) VALUES (90, repeat('long ', 9000), decode(repeat('00ff', 20000), 'hex'));
