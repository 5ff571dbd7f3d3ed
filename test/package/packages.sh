# Installation, upgrade, removal and purge in a bare Debian. Read by run.sh: $root, $debs, $arch.

# A package like DEB with another version and another example, for the upgrade.
next_version() {
  dpkg-deb -R "$1" "$work/next"
  sed -i 's/^Version: .*/Version: 999.0/' "$work/next/DEBIAN/control"
  echo "# the example of version 999" >>"$work/next/etc/agent.yml.example"
  dpkg-deb --root-owner-group -Znone --build "$work/next" "$root/tmp/next.deb" >/dev/null
  rm -rf "$work/next"
}

# Stands for Patroni's package, which has this file.
patroni_package() {
  mkdir -p "$work/patroni/DEBIAN" "$work/patroni/usr/bin"
  printf 'Package: patroni\nVersion: 4.0\nArchitecture: all\nMaintainer: x <x@localhost>\nDescription: x\n' >"$work/patroni/DEBIAN/control"
  printf '#!/bin/sh\necho of Patroni\n' >"$work/patroni/usr/bin/patronictl"
  chmod 755 "$work/patroni/usr/bin/patronictl"
  dpkg-deb --root-owner-group -Znone --build "$work/patroni" "$root/tmp/patroni.deb" >/dev/null
}

in_root() { bare "$root" "$@"; }
shell() { bare "$root" sh -ec "$1"; }
state() { in_root dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null; }
says() { equal "$(in_root "${@:2}" 2>/dev/null)" "$1"; }

test_packages() {
  cp "$debs/agent_"*"_$arch.deb" "$root/tmp/agent.deb"
  cp "$debs/agent-baseline_"*"_$arch.deb" "$root/tmp/agent-baseline.deb"
  next_version "$root/tmp/agent.deb"
  patroni_package

  check "it is installed on a bare Debian" in_root dpkg -i /tmp/agent.deb
  check "the program runs" shell 'agent version | grep -q "^agent [0-9]"'
  check "as patronictl, too" shell 'patronictl --help | grep -q edit-config'
  check "it is the program whose units are installed" shell '
    agent install-service --print | cmp - /usr/lib/systemd/system/agent.service
    agent install-service --witness --print | cmp - /usr/lib/systemd/system/agent-witness.service'
  check "install-service has nothing to add to the package's unit" shell '
    useradd --system postgres
    agent install-service --dry-run | grep -q "is this unit already"'
  check "without systemd install-service says what to do" shell '
    ! agent install-service 2>/tmp/said && grep -q -- --print /tmp/said && ! [ -e /etc/systemd/system/agent.service ]'
  check "man pages and completions are where they are looked for" shell '
    zcat /usr/share/man/man1/agent.1.gz /usr/share/man/man1/patronictl.1.gz | grep -q "^.TH"
    bash -n /usr/share/bash-completion/completions/patronictl
    test -s /usr/share/zsh/vendor-completions/_agent -a -s /usr/share/fish/vendor_completions.d/agent.fish'
  check "its files are unharmed, and root's" shell '
    test -z "$(dpkg --verify agent)"
    test -z "$(dpkg -L agent | xargs -I{} find {} -maxdepth 0 ! -user root)"'
  check "the user of a witness is there" in_root id agent-witness
  check "nothing is enabled" shell '! find /etc/systemd -name "agent*" | grep -q .'

  shell 'mkdir -p /var/lib/agent/raft && echo data >/var/lib/agent/raft/log && echo mine >/etc/agent.yml
    echo "# edited" >>/etc/agent.yml.example'
  check "it is upgraded, and an edited example stays" shell '
    dpkg --force-confold -i /tmp/next.deb
    grep -q edited /etc/agent.yml.example && grep -q 999 /etc/agent.yml.example.dpkg-dist'
  check "the build for old CPUs takes its place" shell '
    dpkg --force-confold -i /tmp/agent-baseline.deb && agent version && patronictl --help >/dev/null'
  check "and gives it back" in_root dpkg --force-confold -i /tmp/agent.deb
  check "of two builds one is installed" equal "$(state agent) $(state agent-baseline)" "installed config-files"
  check "it is removed, with its link" shell '
    dpkg -r agent && ! [ -e /usr/bin/agent ] && ! [ -L /usr/bin/patronictl ] && ! [ -L /etc/alternatives/patronictl ]'
  check "the example stays after the removal" in_root test -e /etc/agent.yml.example
  check "it is purged, with its example" shell '
    dpkg -P agent agent-baseline && ! [ -e /etc/agent.yml.example ] && ! [ -e /usr/share/doc/agent ]'
  check "the cluster's files and data stay" says "mine data" sh -c 'cat /etc/agent.yml /var/lib/agent/raft/log | xargs'

  in_root dpkg -i /tmp/patroni.deb >/dev/null
  check "beside Patroni it is installed without the link" shell 'dpkg -i /tmp/agent.deb && patronictl' 
  check "Patroni's program stays Patroni's" says "of Patroni" patronictl
  in_root dpkg -r agent >/dev/null
  check "also after the removal" says "of Patroni" patronictl
  in_root dpkg -r patroni >/dev/null
  in_root dpkg -i /tmp/agent.deb >/dev/null
  check "Patroni can be installed later" in_root dpkg -i /tmp/patroni.deb
  check "its program is Patroni's then" says "of Patroni" patronictl
  in_root dpkg -P agent >/dev/null
  check "and stays when this package goes" says "of Patroni" patronictl
}
