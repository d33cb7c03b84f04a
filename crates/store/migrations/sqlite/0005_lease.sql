-- Who of several processes may do a thing, until when, in milliseconds by the clock of the database.
CREATE TABLE lease (
    name   TEXT   PRIMARY KEY NOT NULL,
    holder TEXT   NOT NULL,
    until  INTEGER NOT NULL
);
