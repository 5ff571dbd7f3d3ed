import { expect, test } from "bun:test";
import { MINIMAL, minimalWith, parsedConfig } from "../config/testing.ts";
import { ConfigInForce } from "./config_in_force.ts";

const DYNAMIC = {
  callbacks: { on_start: "/bin/hook" },
  pg_ctl_timeout: 30,
  data_dir: "/evil",
  authentication: { superuser: { username: "evil" } },
};

test("the file and the cluster's section are in force together, from the moment that either is replaced", () => {
  const config = new ConfigInForce(parsedConfig(MINIMAL));
  expect(config.postgresql).toMatchObject({ callbacks: {}, pgCtlTimeoutS: 60 });
  config.replaceCluster(DYNAMIC);
  expect(config.postgresql).toMatchObject({
    callbacks: { on_start: "/bin/hook" },
    pgCtlTimeoutS: 30,
    dataDir: "/srv/data",
    superuser: { username: "postgres", password: "hunter2" },
  });
  const file = minimalWith("data_dir: /srv/data", "data_dir: /srv/data\n  pg_ctl_timeout: 7");
  config.replaceLocal(parsedConfig(file.replaceAll("hunter2", "hunter3")));
  expect(config.postgresql).toMatchObject({
    callbacks: { on_start: "/bin/hook" },
    pgCtlTimeoutS: 7,
    superuser: { password: "hunter3" },
  });
});

test("the revision says when there is something new, and only then", () => {
  const config = new ConfigInForce(parsedConfig(MINIMAL));
  config.replaceCluster({});
  expect(config.revision).toBe(0);
  config.replaceCluster(DYNAMIC);
  config.replaceCluster({ ...DYNAMIC });
  expect(config.revision).toBe(1);
});

test("a witness has no PostgreSQL", () => {
  expect(() => new ConfigInForce({ ...parsedConfig(MINIMAL), postgresql: null })).toThrow("witness");
});
