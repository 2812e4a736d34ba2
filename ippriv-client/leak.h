#pragma once
/* `ippriv leaktest`: tries to leak, sees what leaves this host, says so in plain words. */

/* ARGV from "leaktest" on. Exit status: 0 no leak, 1 leaks, 2 could not be tested, or wrong usage. */
int leak_main(const char *control, int argc, char **argv);
