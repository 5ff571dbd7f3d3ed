/** /openapi.json: the table of operations and the forms of requests and answers as one OpenAPI document. */
import { CLUSTER, EVENTS, RAFT, TIMING, WATCHDOG, WHY } from "../answers.ts";
import { type Check, type JsonSchema, schemaOf } from "../../model/shape.ts";
import { VERSION } from "../../model/version.ts";
import { type BodyForm, type QueryForm, SWITCHOVER } from "../requests.ts";
import { type Content, type Operation, OPERATIONS } from "./operations.ts";
import { STATUS_SHOWN } from "./shown.ts";

/** Forms that are printed once, under a name. */
const NAMED: readonly (readonly [name: string, check: Check])[] = [
  ["Status", STATUS_SHOWN],
  ["Cluster", CLUSTER.check],
  ["Raft", RAFT.check],
  ["Timing", TIMING.check],
  ["Watchdog", WATCHDOG.check],
  ["Events", EVENTS.check],
  ["Why", WHY.check],
  ["Switchover", SWITCHOVER.check],
];
const NAMES: ReadonlyMap<Check, string> = new Map(NAMED.map(([name, check]) => [check, name]));

const ABOUT =
  "The REST API of a member. Paths, statuses and texts are those of Patroni 4.1; additions are below " +
  "/agent. Each GET is answered from memory, and HEAD and OPTIONS with its status. For a path that does not " +
  "exist, GET is answered 503 with the status, any other method 501.";

const GROUPS: { readonly [group in Operation["group"]]: string } = {
  health: "Checks for proxies and orchestrators: the status is the answer.",
  cluster: "The cluster as this member sees it.",
  configuration: "The dynamic configuration.",
  changes: "Requests of operators.",
  members: "This member, for monitoring and for the other members.",
  raft: "The raft group.",
  agent: "What Patroni does not have.",
};

type Json = { readonly [key: string]: unknown };

/** Made anew at each call; it is the same for each member of a version. */
export function openApiDocument(): Json {
  const paths: { [path: string]: { [method: string]: Json } } = {};
  for (const operation of OPERATIONS) {
    (paths[operation.path] ??= {})[operation.method] = operationObject(operation);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "agent",
      version: VERSION,
      description: ABOUT,
      license: { name: "MIT", identifier: "MIT" },
    },
    tags: Object.entries(GROUPS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: Object.fromEntries(NAMED.map(([name, check]) => [name, schemaOf(check)])),
      responses: COMMON,
      securitySchemes: {
        basic: { type: "http", scheme: "basic", description: "restapi.authentication, where it is set" },
      },
    },
  };
}

/** The answers that every request of a kind may get. */
const COMMON: { readonly [name: string]: Json } = {
  BadRequest: textObject("The body is no JSON object, or has not the form: the text names the field."),
  Unauthorized: textObject("restapi.authentication is set, and the password is missing or wrong."),
  Forbidden: textObject(
    "The source address is not in the allowlist, a client certificate is required, or a page elsewhere asks.",
  ),
  OtherMember: textObject("Agent-Member names another member than the one that has this address."),
  Timeout: textObject("The body did not come in time."),
  LengthRequired: textObject("Content-Length is missing."),
  TooLarge: textObject("The body is too large, too deep, or has too many values."),
};

function operationObject(operation: Operation): Json {
  const { method, path, group, summary, body, answers } = operation;
  const parameters = parametersOf(operation);
  return {
    operationId: `${method}${path.replace(/[^a-z0-9_]+(.?)/gi, (_, next: string) => next.toUpperCase())}`,
    tags: [group],
    summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: bodyObject(body) }),
    responses: {
      ...commonFor(operation),
      ...Object.fromEntries(
        Object.entries(answers).map((
          [status, [meaning, content]],
        ) => [status, answerObject(meaning, content)]),
      ),
    },
    ...(method === "get" ? {} : { security: [{}, { basic: [] }] }),
  };
}

function commonFor({ method, body }: Operation): Json {
  const refer = (name: string) => ({ $ref: `#/components/responses/${name}` });
  return {
    ...(method === "get"
      ? {}
      : { 401: refer("Unauthorized"), 403: refer("Forbidden"), 412: refer("OtherMember") }),
    ...(body === undefined
      ? {}
      : { 400: refer("BadRequest"), 408: refer("Timeout"), 413: refer("TooLarge") }),
    ...(body === undefined || body.optional ? {} : { 411: refer("LengthRequired") }),
  };
}

function parametersOf({ method, path, query = {}, tagged, conditional }: Operation): Json[] {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  return [
    ...inPath,
    ...queryObjects(query),
    ...(tagged
      ? [{
        name: "tags",
        in: "query",
        style: "form",
        explode: true,
        description:
          "tag_NAME=VALUE: the member must have that tag; other values than texts as lowercase text",
        schema: { type: "object", additionalProperties: { type: "string" } },
      }]
      : []),
    ...(method === "get" ? [] : [{
      name: "Agent-Member",
      in: "header",
      description: "the percent-encoded name of the only member that is meant",
      schema: { type: "string" },
    }]),
    ...(conditional
      ? [{
        name: "If-Match",
        in: "header",
        description: "the ETag of GET /config: 409 when it was changed since",
        schema: { type: "string" },
      }]
      : []),
  ];
}

function queryObjects(query: QueryForm): Json[] {
  return Object.entries(query).map(([name, check]) => {
    const { description, examples: _, ...schema } = schemaOf(check);
    return { name, in: "query", ...(description === undefined ? {} : { description }), schema };
  });
}

function bodyObject({ check, optional }: BodyForm): Json {
  return { required: !optional, content: { "application/json": { schema: schemaObject(check) } } };
}

function answerObject(description: string, content: Content): Json {
  if (content === "nothing") return { description };
  if (content === "text") return textObject(description);
  if (content === "page") return { description, content: Object.fromEntries(PAGE_TYPES.map(textOfType)) };
  return { description, content: { "application/json": { schema: schemaObject(content) } } };
}

const PAGE_TYPES = ["text/html", "text/css", "text/javascript", "image/svg+xml"];

function textOfType(type: string): readonly [type: string, media: Json] {
  return [type, { schema: { type: "string" } }];
}

function textObject(description: string): Json {
  return { description, content: { "text/plain": { schema: { type: "string" } } } };
}

function schemaObject(check: Check): JsonSchema {
  const name = NAMES.get(check);
  return name === undefined ? schemaOf(check) : { $ref: `#/components/schemas/${name}` };
}
