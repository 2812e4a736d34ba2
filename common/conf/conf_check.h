#pragma once
/* Judges for conf_key.check that several programs share. NULL when good, else what is wrong. */
const char *conf_check_url(const char *value);    /* http:// or https://, a host */
const char *conf_check_level(const char *value);  /* a log level */
const char *conf_check_path(const char *value);   /* absolute */
const char *conf_check_socket(const char *value); /* absolute, fits a Unix socket address */
const char *conf_check_key(const char *value);    /* 64 hex digits */
