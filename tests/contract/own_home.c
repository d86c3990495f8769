/* Preloaded into dropbear: root's home is the folder of the test, and root is whoever runs the test. */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct passwd *getpwnam(const char *name)
{
	static struct passwd entry;

	if (strcmp(name, "root"))
		return NULL;
	entry.pw_name = "root";
	entry.pw_passwd = "x";
	entry.pw_uid = getuid();
	entry.pw_gid = getgid();
	entry.pw_gecos = "";
	entry.pw_dir = getenv("TEST_HOME");
	entry.pw_shell = "/bin/sh";
	return &entry;
}
