/** Actions of rules: checked as AWS checks them, shown as AWS shows them, and written for the edge. Pure. */
import type { Action as SdkAction } from "@aws-sdk/client-elastic-load-balancing-v2";
import type { RouteAction } from "../../edge/ports.ts";
import type { Received } from "../../kit/handlers.ts";
import { quotas } from "./limits.ts";
import { describedJwtAction, jwtActionOf, type JwtAction } from "./jwt-action.ts";
import { fault, invalid, notRun } from "./refusals.ts";

/** An action as it is stored: checked, defaults filled in. */
export type RuleAction = { order?: number; jwt?: JwtAction } & (
  | {
      type: "forward";
      groups: { arn: string; weight: number }[];
      stickinessSeconds?: number;
      /** Clients keep the group that they were given first. */
      sticky?: boolean;
    }
  | {
      type: "redirect";
      status: "HTTP_301" | "HTTP_302";
      protocol: string;
      host: string;
      port: string;
      path: string;
      query: string;
    }
  | { type: "fixed-response"; status: string; contentType?: string; body?: string }
);

type Given = Received<SdkAction>;

/** Source: API reference, FixedResponseActionConfig and TargetGroupTuple. */
const contentTypes = ["text/html", "application/json", "application/javascript", "text/css", "text/plain"];
const weightMax = 999;
const stickinessSecondsMax = 604_800;

const invalidAction = (message: string) => fault("InvalidLoadBalancerActionException", message);

function missing(type: string, field: string) {
  return invalidAction(`For actions of type '${type}', you must specify the following fields: '${field}'`);
}

function groupsOf(given: Given): { arn: string; weight: number }[] {
  const tuples = given.ForwardConfig?.TargetGroups ?? [];
  const { TargetGroupArn } = given;
  if (TargetGroupArn !== undefined && tuples.some((tuple) => tuple.TargetGroupArn !== TargetGroupArn)) {
    throw invalidAction(
      "If you specify both ForwardConfig and TargetGroupArn, you can specify only one target group using ForwardConfig and it must be the same target group specified in TargetGroupArn",
    );
  }
  if (TargetGroupArn !== undefined && tuples.length === 0) return [{ arn: TargetGroupArn, weight: 1 }];
  return tuples.map((tuple) => {
    if (tuple.TargetGroupArn === undefined) throw invalid("A target group ARN must be specified");
    const weight = tuple.Weight ?? 1;
    if (weight < 0 || weight > weightMax) {
      throw invalid(`Target group weight '${weight}' must be between '0' and '${weightMax}' inclusive`);
    }
    return { arn: tuple.TargetGroupArn, weight };
  });
}

interface GroupStickiness {
  stickinessSeconds?: number;
  sticky?: boolean;
}

function stickinessOf(given: Given): GroupStickiness {
  const stickiness = given.ForwardConfig?.TargetGroupStickinessConfig;
  const seconds = stickiness?.DurationSeconds;
  if (stickiness?.Enabled === true && seconds === undefined) {
    throw invalid("A duration must be specified when target group stickiness is enabled");
  }
  if (seconds !== undefined && (seconds < 1 || seconds > stickinessSecondsMax)) {
    throw invalid(`Stickiness duration '${seconds}' must be between '1' and '${stickinessSecondsMax}' inclusive`);
  }
  return {
    ...(seconds === undefined ? {} : { stickinessSeconds: seconds }),
    ...(stickiness?.Enabled === true ? { sticky: true } : {}),
  };
}

function checkGroupCount({ length }: readonly unknown[], max: number): void {
  if (length > max)
    throw fault("TooManyTargetGroupsException", `A forward action can only have '${max}' target groups`);
}

function forwardOf(given: Given): RuleAction {
  const groups = groupsOf(given);
  if (groups.length === 0) throw invalid("A target group ARN must be specified");
  checkGroupCount(groups, quotas["target-groups-per-action-on-application-load-balancer"]);
  if (new Set(groups.map(({ arn }) => arn)).size < groups.length) {
    throw invalidAction("A target group can only be specified once in a forward action");
  }
  return { type: "forward", groups, ...stickinessOf(given) };
}

const placeholders = /#\{(?:protocol|host|port|path|query)\}/g;

/** Throws unless what is left of `value` without the placeholders it may hold passes `plain`. */
function checkPart(value: string, allowed: readonly string[], plain: RegExp, refusal: string): void {
  const found = value.match(placeholders) ?? [];
  const once = new Set(found).size === found.length;
  if (!once || found.some((name) => !allowed.includes(name)) || !plain.test(value.replaceAll(placeholders, ""))) {
    throw invalidAction(refusal);
  }
}

function isPort(text: string): boolean {
  return /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535;
}

function redirectOf(given: Given): RuleAction {
  const config = given.RedirectConfig;
  if (config === undefined) throw missing("redirect", "RedirectConfig");
  const { Protocol = "#{protocol}", Host = "#{host}", Port = "#{port}" } = config;
  const { Path = "/#{path}", Query = "#{query}", StatusCode } = config;
  if (Port !== "#{port}" && !isPort(Port)) {
    throw invalidAction("The Port parameter must be a valid port, and should be 1-65535 or '#{port}'.");
  }
  checkPart(
    Path,
    ["#{path}", "#{host}", "#{port}"],
    /^\//,
    "The Path parameter must be a valid path, should start with a '/', and may contain up to one of each of these placeholders: '#{path}', '#{host}', '#{port}'.",
  );
  checkPart(
    Host,
    ["#{host}"],
    /^[A-Za-z0-9\-._]*$/,
    "The Host parameter must be a valid host name, and may contain up to one '#{host}' placeholder.",
  );
  checkPart(
    Query,
    ["#{protocol}", "#{host}", "#{port}", "#{path}", "#{query}"],
    /^[\u0021-\u007e]*$/,
    "The Query parameter must be a valid query, and may contain up to one of each placeholder.",
  );
  // A redirect to where the request came from; the query alone does not break the loop.
  if (Protocol === "#{protocol}" && Host === "#{host}" && Port === "#{port}" && Path === "/#{path}") {
    throw invalidAction("The redirect configuration is not valid because it creates a loop.");
  }
  return { type: "redirect", status: StatusCode, protocol: Protocol, host: Host, port: Port, path: Path, query: Query };
}

function fixedOf(given: Given): RuleAction {
  const config = given.FixedResponseConfig;
  if (config === undefined) throw missing("fixed-response", "FixedResponseConfig");
  const { StatusCode: status, ContentType, MessageBody } = config;
  if (ContentType !== undefined && !contentTypes.includes(ContentType)) {
    const listed = contentTypes.map((type) => `'${type}'`).join(", ");
    throw invalidAction(`The ContentType must be one of:${listed}`);
  }
  return {
    type: "fixed-response",
    status,
    ...(ContentType === undefined ? {} : { contentType: ContentType }),
    ...(MessageBody === undefined ? {} : { body: MessageBody }),
  };
}

function actionOf(given: Given): RuleAction {
  const order = given.Order === undefined ? {} : { order: given.Order };
  switch (given.Type) {
    case "forward":
      return { ...forwardOf(given), ...order };
    case "redirect":
      return { ...redirectOf(given), ...order };
    case "fixed-response":
      return { ...fixedOf(given), ...order };
    default:
      // Logins need a provider to log in at, and cookies of their own.
      throw notRun(`actions of type '${given.Type}'`);
  }
}

/** Actions in the order they are performed. Several must say theirs. */
function inOrder(given: readonly Given[]): readonly Given[] {
  if (given.length < 2) return given;
  const orders = given.map(({ Order }) => Order);
  if (orders.includes(undefined)) throw invalidAction("An order must be specified for each of several actions");
  if (new Set(orders).size < orders.length) throw invalidAction("The order of each action must be unique");
  return [...given].sort((a, b) => (a.Order ?? 0) - (b.Order ?? 0));
}

/** The actions of a rule in their stored form: what answers, and the check of a token before it. Throws in AWS's words. */
export function routingAction(given: readonly Given[]): RuleAction {
  if (given.length === 0) throw invalid("An action must be specified");
  const checks = given.filter(({ Type }) => Type === "jwt-validation");
  const [action, ...others] = given.filter(({ Type }) => Type !== "jwt-validation").map(actionOf);
  if (action === undefined || others.length > 0 || inOrder(given).at(-1)?.Type === "jwt-validation") {
    throw invalidAction(
      "The actions list must contain exactly one of 'forward', 'redirect', 'fixed-response', as the last action to be performed",
    );
  }
  if (checks.length > 1) throw invalidAction("The actions list can only have one action of type 'jwt-validation'");
  const [check] = checks;
  return check === undefined ? action : { ...action, jwt: jwtActionOf(check) };
}

/**
 * Throws, in AWS's words, unless a load balancer of `type` can do what `action` says: one that passes connections on can
 * do nothing else with them.
 */
export function checkActionOf(type: string, action: RuleAction): void {
  if (type !== "network") return;
  const other = action.jwt === undefined ? action.type : "jwt-validation";
  if (action.type !== "forward" || other !== "forward") {
    throw invalidAction(`Actions of type '${other}' are not supported for load balancers of type 'network'`);
  }
  if (action.sticky === true) {
    throw invalidAction("Target group stickiness is not supported for load balancers of type 'network'");
  }
  checkGroupCount(action.groups, quotas["target-groups-per-action-on-network-load-balancer"]);
}

/** ARNs of the target groups that an action forwards to. */
export const groupArnsOf = (action: RuleAction): string[] =>
  action.type === "forward" ? action.groups.map(({ arn }) => arn) : [];

/** The actions as Describe operations show them, in their order. */
export const describedActions = (action: RuleAction): SdkAction[] => [
  ...(action.jwt === undefined ? [] : [describedJwtAction(action.jwt)]),
  describedAction(action),
];

/** A single target group is shown in both forms. */
function describedAction(action: RuleAction): SdkAction {
  const order = action.order === undefined ? {} : { Order: action.order };
  switch (action.type) {
    case "forward": {
      const [only] = action.groups;
      const seconds = action.stickinessSeconds;
      return {
        Type: "forward",
        ...(action.groups.length === 1 && only !== undefined ? { TargetGroupArn: only.arn } : {}),
        ...order,
        ForwardConfig: {
          TargetGroups: action.groups.map(({ arn, weight }) => ({ TargetGroupArn: arn, Weight: weight })),
          TargetGroupStickinessConfig: {
            Enabled: action.sticky === true,
            ...(seconds === undefined ? {} : { DurationSeconds: seconds }),
          },
        },
      };
    }
    case "redirect": {
      const { protocol: Protocol, host: Host, port: Port, path: Path, query: Query, status: StatusCode } = action;
      return { Type: "redirect", ...order, RedirectConfig: { Protocol, Host, Port, Path, Query, StatusCode } };
    }
    default: {
      const { status: StatusCode, contentType: ContentType, body: MessageBody } = action;
      return { Type: "fixed-response", ...order, FixedResponseConfig: { StatusCode, ContentType, MessageBody } };
    }
  }
}

/** The same action in the edge's words; a cluster's id is its target group's ARN. */
export function edgeAction(action: RuleAction): RouteAction {
  switch (action.type) {
    case "forward":
      return {
        kind: "forward",
        targets: action.groups.map(({ arn, weight }) => ({ clusterId: arn, weight })),
        ...(action.sticky === true ? { stickyMs: (action.stickinessSeconds ?? 0) * 1000 } : {}),
      };
    case "redirect": {
      const { host, port, path, query } = action;
      const status = action.status === "HTTP_301" ? 301 : 302;
      return { kind: "redirect", status, protocol: action.protocol.toLowerCase(), host, port, path, query };
    }
    default: {
      const contentType = `${action.contentType ?? "text/plain"}; charset=utf-8`;
      return { kind: "fixed", status: Number(action.status), contentType, body: action.body ?? "" };
    }
  }
}
