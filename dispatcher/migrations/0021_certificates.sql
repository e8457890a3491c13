-- SHA-256 of the certificate (DER) that a terminal or concentrator must show over TLS besides its secret. Who has none here
-- needs none. One certificate may be of several: a factory's.
alter table terminal add column certificate_sha256 bytea check (length(certificate_sha256) = 32);
alter table concentrator add column certificate_sha256 bytea check (length(certificate_sha256) = 32);
