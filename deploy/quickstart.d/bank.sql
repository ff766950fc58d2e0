-- SPDX-License-Identifier: MIT
SET LOCAL client_min_messages = warning;
DROP SCHEMA IF EXISTS sidepool_quickstart CASCADE;
CREATE SCHEMA sidepool_quickstart;
CREATE TABLE sidepool_quickstart.account (id int PRIMARY KEY, balance bigint NOT NULL);
CREATE TABLE sidepool_quickstart.note (id bigserial PRIMARY KEY, program text NOT NULL, body text NOT NULL);
INSERT INTO sidepool_quickstart.account SELECT g, 1000 FROM generate_series(1, 500) g;
