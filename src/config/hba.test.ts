import { expect, test } from "bun:test";
import { hbaFields, hbaFlaw } from "./hba.ts";

/** Each was tried on PostgreSQL 15 (pg_hba_file_rules), but for oauth, which 18 has. */
export const TAKEN = [
  "",
  "# a comment",
  "local all all peer",
  "local\tall\tall\tpeer\tmap=m # why",
  "local all all ident",
  '"local" "all" "" trust',
  "host all all 10.0.0.0/8 md5",
  "host all,other +group,@file 10.0.0.0/8 scram-sha-256",
  "host a, b c, d 10.0.0.0/8 md5",
  "host all all 10.0.0.1 255.255.255.255 trust",
  "host all all 10/8 trust",
  "host all all 10.1/16 trust",
  "host all all 0x0a.0.0.1/32 trust",
  "host all all ::1/128 trust",
  "host all all ::1 ffff:: trust",
  "host all all 2001:db8::/32 trust",
  "host all all ::ffff:10.0.0.1/128 trust",
  "host all all samehost trust",
  "host all all samenet trust",
  "host all all all reject",
  "host all all db.example.org trust",
  "host all all .example.org trust",
  "host all all 10.0.0.300 trust",
  "host replication replicator 0.0.0.0/0 scram-sha-256",
  "hostssl all all all cert map=m clientcert=verify-full",
  "hostssl all all all md5 clientcert=verify-ca",
  "hostnossl all all all reject",
  "hostgssenc all all all gss include_realm=0 krb_realm=X",
  "hostnogssenc all all all ident map=m",
  'host all all all ldap ldapserver=x ldapbasedn="dc=a,dc=b" ldapbindpasswd="a b"',
  "host all all all ldap ldapprefix=cn= ldapsuffix=x",
  'host all all all radius radiusservers="127.0.0.1,127.0.0.2" radiussecrets="c"',
  "host all all all pam pamservice=x pam_use_hostname=1",
  "include_if_exists other.conf",
];

export const REFUSED: readonly [line: string, why: RegExp][] = [
  ["ghost all all all trust", /^expected one of local, host, /],
  ["local,host all all trust", /^more than one connection type/],
  ["HOST all all all trust", /^expected one of local, host, /],
  ["host", /^the database is missing/],
  ["local all", /^the user is missing/],
  ["local all all", /^the method of authentication is missing/],
  ["host all all", /^the address is missing/],
  ["host all all 10.0.0.0/8", /^the method of authentication is missing/],
  ["host all all 10.0.0.1 md5", /^"10.0.0.1" has no mask \(10.0.0.1\/32 is one host\): "md5" is none/],
  ["host all all 10.0.0.1", /^"10.0.0.1" has no mask: 10.0.0.1\/32/],
  ["host all all 10 md5", /^"10" has no mask/],
  ["host all all ::1 trust", /^"::1" has no mask \(::1\/128/],
  ["host all all ::1 255.0.0.0 trust", /^"::1" and its mask are not of the same kind/],
  ["host all all 10.0.0.0/33 trust", /^the mask of "10.0.0.0\/33" is not 0 to 32/],
  ["host all all 10.0.0.0/ trust", /^the mask of /],
  ["host all all ::1/129 trust", /^the mask of "::1\/129" is not 0 to 128/],
  [
    "host all all 10.0.0.300/24 trust",
    /^"10.0.0.300\/24" is no IP address, and a host name has no network mask/,
  ],
  ["host all all db.example.org/24 trust", /is no IP address/],
  ["host all all 10.0.0.0/8,11.0.0.0/8 trust", /^more than one address/],
  ["host all all 10.0.0.0 255.0.0.0,255.255.0.0 trust", /^more than one network mask/],
  ["host all all all scram-sha-265", /^"scram-sha-265" is no method of authentication/],
  ["host all all all trust,md5", /^more than one method/],
  ["host all all all MD5", /^"MD5" is no method/],
  ["host all all all peer", /^peer is for local connections only/],
  ["local all all gss", /^gss is not for local/],
  ["host all all all cert", /^cert is for hostssl only/],
  ["host all all all sspi", /^the method sspi is not there on Linux/],
  ["host all all all md5 extra", /^after md5 there is something/],
  ["host all all all md5 colour=red", /^an option after md5 is none that PostgreSQL knows/],
  ["host all all all md5 map=m", /^map is no option of md5/],
  ["host all all all md5 clientcert=verify-full", /^clientcert is for hostssl only/],
  ["hostssl all all all md5 clientcert=maybe", /^clientcert is one of verify-ca/],
  ["host all all all radius radiusservers=a", /^radius needs radiussecrets/],
  ["host all all all ldap ldapserver=x", /^ldap needs ldapbasedn, ldapprefix or ldapsuffix/],
  ["include", /^expected one file after include/],
];

for (const line of TAKEN) {
  test(`PostgreSQL takes: ${line}`, () => expect(hbaFlaw(line)).toBeNull());
}

for (const [line, why] of REFUSED) {
  test(`PostgreSQL refuses: ${line}`, () => expect(hbaFlaw(line)).toMatch(why));
}

test("oauth wants its issuer and scope", () => {
  expect(hbaFlaw("host all all all oauth issuer=https://x scope=openid")).toBeNull();
  expect(hbaFlaw("host all all all oauth issuer=https://x")).toBe("oauth needs scope");
});

test("a line is split into fields as PostgreSQL does it", () => {
  const texts = (line: string) => hbaFields(line).map((field) => field.map(({ text }) => text));
  expect(texts('a,b , "c d","e""f"x  # g "h')).toEqual([["a", "b"], ["c d", 'e"fx']]);
  expect(texts('a "" b')).toEqual([["a"], [""], ["b"]]);
  expect(texts("a, # b")).toEqual([["a"]]);
  expect(hbaFields('"all" all')[0]![0]!.quoted).toBe(true);
});

test("no password is part of a message", () => {
  for (const option of ["ldapbindpasswd=my hunter2", "ldapbindpasswd=my hunter2=", "hunter2"]) {
    expect(hbaFlaw(`host all all all ldap ldapbasedn=x ${option}`)).not.toContain("hunter2");
  }
});
