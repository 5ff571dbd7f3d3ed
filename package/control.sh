#!/bin/sh
# Prints the control file of a package.
# usage: package/control.sh NAME VERSION ARCHITECTURE INSTALLED_KIB
set -eu
name=$1 version=$2 architecture=$3 size=$4
cat <<END
Package: $name
Version: $version
Architecture: $architecture
Maintainer: ${DEB_MAINTAINER:-agent contributors <agent@localhost>}
Installed-Size: $size
Section: database
Priority: optional
Depends: libc6 (>= 2.17), passwd
Suggests: postgresql (>= 13)
END
# One host has one of them. Nothing is stopped where one takes the place of the other (prerm: in-favour).
case $name in
  agent) printf 'Conflicts: agent-baseline\nReplaces: agent-baseline\n' ;;
  *) printf 'Provides: agent (= %s)\nConflicts: agent\nReplaces: agent\n' "$version" ;;
esac
cat <<END
Description: PostgreSQL high availability in one file
 Each host runs an agent beside its PostgreSQL. The agents agree among themselves
 who may write: they need no etcd, Consul or ZooKeeper. YAML, REST API and command
 line are those that users of Patroni know.
END
[ "$name" = agent ] || cat <<END
 .
 This build runs on x86-64 CPUs without AVX2 as well.
END
