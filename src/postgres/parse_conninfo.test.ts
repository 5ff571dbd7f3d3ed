import { expect, test } from "bun:test";
import { conninfo } from "./quote.ts";
import { parseConninfo } from "./parse_conninfo.ts";

test("pairs are read as libpq reads them", () => {
  expect(parseConninfo("host=/run port = 5433 user='o''")).toBeNull();
  expect(parseConninfo(" host=/run port = 5433  password='a b\\' \\\\' dbname=''")).toEqual({
    host: "/run",
    port: "5433",
    password: "a b' \\",
  });
  expect(parseConninfo("")).toEqual({});
  for (const wrong of ["host", "=x", "host='x", "a=b'c'", "host=x,"]) {
    expect([wrong, parseConninfo(wrong) === null]).toEqual([wrong, wrong !== "host=x,"]);
  }
});

test("what this program writes, it reads again", () => {
  const settings = { user: "o'brien", password: "a\\b 'c' é", host: "10.0.0.1", port: "5432" };
  expect(parseConninfo(conninfo(settings))).toEqual(settings);
});

test("URIs, with lists of hosts, sockets and addresses of the newer kind", () => {
  expect(parseConninfo("postgres://al:p%40ss@h1:5433,h2:5434/app?sslmode=require&user=bo")).toEqual({
    user: "bo",
    password: "p@ss",
    host: "h1",
    port: "5433",
    dbname: "app",
    sslmode: "require",
  });
  expect(parseConninfo("postgresql://%2Frun%2Fpg/")).toEqual({ host: "/run/pg" });
  expect(parseConninfo("postgresql://[2001:db8::1]:1/x")).toEqual({
    host: "2001:db8::1",
    port: "1",
    dbname: "x",
  });
  expect(parseConninfo("postgresql:///?host=%2Fvar%2Frun&port=7")).toEqual({ host: "/var/run", port: "7" });
  expect(parseConninfo("postgres://a:%zz@h/")).toBeNull();
  expect(parseConninfo("postgres://h:port/")).toBeNull();
});
