-- The role that stacks connect as; `meridian migrate` grants it to read and write rows.
CREATE ROLE meridian LOGIN;
