/** Listeners: created with their default rule, described, changed, deleted; each on a port of this machine. */
import type {
  CreateListenerInput,
  Listener as SdkListener,
  ModifyListenerInput,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { must } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers, Received } from "../../kit/handlers.ts";
import type { JsonObject } from "../../kit/resource.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
import { checkActionOf, describedActions, routingAction, type RuleAction } from "./actions.ts";
import { listenerArn, ownerArn } from "./arns.ts";
import { changedAttributes, type Attribute } from "./attributes.ts";
import { certificateCheck } from "./certificates.ts";
import { clientTags, mergeTags, quotas } from "./limits.ts";
import { listenerAttributes } from "./listener-attributes.ts";
import { describedSpoken, spokenAfter, spokenBy, spokenColumns, type Spoken } from "./listener-settings.ts";
import { existingLoadBalancer, type ElbDeps } from "./load-balancers.ts";
import { onePage } from "./pages.ts";
import { fault, invalid, type Elb } from "./refusals.ts";
import { changeAction, existingListener, isDefault, setRulePolicies, usePolicies } from "./rules.ts";
import {
  defaultPriority,
  deleteListener,
  findListener,
  listenerOn,
  listeners,
  listenersOf,
  readPolicy,
  rules,
  rulesOf,
  type Listener,
  type LoadBalancer,
  type Rule,
} from "./tables.ts";

export async function defaultRuleOf(tx: ReadTx, listener: Listener): Promise<Rule> {
  return must((await rulesOf(tx, listener)).find(isDefault), "a listener's default rule");
}

async function described(tx: ReadTx, listener: Listener): Promise<SdkListener> {
  const { action } = await defaultRuleOf(tx, listener);
  return {
    ListenerArn: listenerArn(listener),
    LoadBalancerArn: ownerArn(listener),
    Port: listener.port,
    ...describedSpoken(spokenBy(listener)),
    DefaultActions: describedActions(action),
  };
}

async function describedAll(tx: ReadTx, rows: readonly Listener[]): Promise<SdkListener[]> {
  const all: SdkListener[] = [];
  for (const row of rows) all.push(await described(tx, row));
  return all;
}

const duplicate = (owner: string) =>
  fault("DuplicateListenerException", `A listener already exists on this port for this load balancer '${owner}'`);

/** All load balancers of this node bind one address, so the port of another one's listener is not free either. */
async function checkPort(tx: ReadTx, port: number, owner: { load_balancer_id: string }, ownerArnText: string) {
  const other = await listenerOn(tx, port);
  if (other === undefined) return;
  if (other.load_balancer_id === owner.load_balancer_id) throw duplicate(ownerArnText);
  throw fault(
    "InvalidConfigurationRequestException",
    `Port ${port} is in use by listener ${listenerArn(other)}. Listeners of load balancers bind ports of this machine.`,
  );
}

async function presentOn(tx: ReadTx, owner: LoadBalancer, port: number): Promise<Listener | undefined> {
  return (await listenersOf(tx, owner)).find((listener) => listener.port === port);
}

interface Parts {
  listenerId: string;
  ruleId: string;
  action: RuleAction;
  token: string | null;
  /** Of the default rule. */
  policies: JsonObject;
}

async function insertListener(
  tx: Tx,
  call: Call,
  listener: Listener,
  { ruleId, action, policies }: Parts,
): Promise<Listener> {
  const type = listener.load_balancer_type === "network" ? "network" : "application";
  const max = quotas[`listeners-per-${type}-load-balancer`];
  const owner = ownerArn(listener);
  if ((await listenersOf(tx, { ...listener, id: listener.load_balancer_id })).length >= max) {
    throw fault(
      "TooManyListenersException",
      `The maximum number of listeners (${max}) has been reached for '${owner}'`,
    );
  }
  await checkPort(tx, listener.port, listener, owner);
  const { account, region, load_balancer_id, load_balancer_name, load_balancer_type } = listener;
  const rule: Rule = {
    account,
    region,
    id: ruleId,
    load_balancer_id,
    load_balancer_name,
    load_balancer_type,
    listener_id: listener.id,
    priority: defaultPriority,
    conditions: [],
    action,
    transforms: null,
    tags: [],
    token: null,
  };
  await tx.run(insert(listeners, listener));
  await tx.run(insert(rules, rule));
  await setRulePolicies(tx, call, rule, policies);
  return listener;
}

export interface NewListener {
  input: Received<CreateListenerInput>;
  attributes?: readonly Attribute[];
  /** Of the CloudFormation step. */
  token?: string;
  /** Of its default rule; see `policies.ts`. */
  policies?: JsonObject;
}

/** Creates a listener, and resolves when its port is open. */
export function listenerCreation(deps: Pick<ElbDeps, "store" | "ids" | "clock" | "routing" | "peers">) {
  const { store, ids, clock, routing } = deps;
  const checkCertificates = certificateCheck(deps);
  return async ({ input, attributes = [], token, policies = {} }: NewListener, call: Call): Promise<Listener> => {
    if (input.Port === undefined) throw invalid("A listener port must be specified");
    if (input.Protocol === undefined) throw invalid("A listener protocol must be specified");
    const action = routingAction(input.DefaultActions);
    const { type } = await store.read((tx) => existingLoadBalancer(tx, call, input.LoadBalancerArn));
    checkActionOf(type, action);
    const spoken = spokenAfter(type, input);
    await checkCertificates(spoken.security, call);
    const port = input.Port;
    const parts: Parts = {
      listenerId: ids.hex(8),
      ruleId: ids.hex(8),
      action,
      token: token ?? null,
      policies,
    };
    const tags = mergeTags([], input.Tags ?? []);
    const set = changedAttributes(listenerAttributes(spoken), {}, attributes);
    const body = async (tx: Tx) => {
      const owner = await existingLoadBalancer(tx, call, input.LoadBalancerArn);
      const present = await presentOn(tx, owner, port);
      const again = present !== undefined && (await isSame(tx, present, parts, spoken));
      if (again) return { listener: present, made: false };
      const listener = await insertListener(
        tx,
        call,
        {
          account: call.account,
          region: call.region,
          id: parts.listenerId,
          load_balancer_id: owner.id,
          load_balancer_name: owner.name,
          load_balancer_type: owner.type,
          created_ms: clock.now(),
          port,
          ...spokenColumns(spoken),
          attributes: set,
          tags,
          token: parts.token,
        },
        parts,
      );
      return { listener, made: true };
    };
    const { listener } = await routing.create({
      port,
      body,
      undo: async (tx, { listener, made }) => (made ? deleteListener(tx, listener) : undefined),
    });
    return listener;
  };
}

/** The operation is idempotent: the same listener again is the one that is there. */
async function isSame(tx: ReadTx, present: Listener, { action, token }: Parts, spoken: Spoken): Promise<boolean> {
  if (token !== null) return present.token === token;
  const { protocol, security } = spokenColumns(spoken);
  if (present.protocol !== protocol || present.security !== security) return false;
  const rule = await defaultRuleOf(tx, present);
  return JSON.stringify(rule.action) === JSON.stringify(action);
}

interface Modified {
  before: Listener;
  after: Listener;
  /** Of the default rule, before. */
  action: RuleAction;
  policies: JsonObject;
}

type Changeable = Pick<Listener, "port" | "protocol" | "security">;

async function change(tx: Tx, { account, region, id }: Listener, changes: Changeable): Promise<void> {
  const { port, protocol, security } = changes;
  await tx.run(sql`update ${listeners.name} set ${assign(listeners, { port, protocol, security })}
    where account = ${account} and region = ${region} and id = ${id}`);
}

async function modify(tx: Tx, call: Call, input: Received<ModifyListenerInput>, next?: JsonObject): Promise<Modified> {
  const before = await existingListener(tx, call, input.ListenerArn);
  const rule = await defaultRuleOf(tx, before);
  const port = input.Port ?? before.port;
  if (port !== before.port) await checkPort(tx, port, before, ownerArn(before));
  const changes = { port, ...spokenColumns(spokenAfter(before.load_balancer_type, input, spokenBy(before))) };
  await change(tx, before, changes);
  const policies = await readPolicy(tx, "rule", rule);
  const { DefaultActions: given } = input;
  const action = given === undefined ? rule.action : routingAction(given);
  checkActionOf(before.load_balancer_type, action);
  // Without another action too: the target groups must go with what is spoken from now on.
  const changed = await changeAction(tx, call, rule, action);
  if (next !== undefined) await setRulePolicies(tx, call, changed, next);
  return { before, after: { ...before, ...changes }, action: rule.action, policies };
}

/** Takes a change back whose port could not be opened. */
async function undoModify(tx: Tx, call: Call, { before, action, policies }: Modified): Promise<void> {
  const { load_balancer_name: name, ...key } = before;
  if ((await findListener(tx, { ...key, name })) === undefined) return;
  await change(tx, before, before);
  const rule = await changeAction(tx, call, await defaultRuleOf(tx, before), action);
  await usePolicies(tx, call, rule, policies);
}

/** Changes a listener, and the policies of its default rule where they are given, at once. */
export function listenerModification({ store, routing, peers }: Pick<ElbDeps, "store" | "routing" | "peers">) {
  const checkCertificates = certificateCheck({ peers });
  return async (
    input: Received<ModifyListenerInput>,
    policies: JsonObject | undefined,
    call: Call,
  ): Promise<Listener> => {
    const before = await store.read((tx) => existingListener(tx, call, input.ListenerArn));
    await checkCertificates(spokenAfter(before.load_balancer_type, input, spokenBy(before)).security, call);
    const body = (tx: Tx) => modify(tx, call, input, policies);
    // Without a port there is nothing to open: the listener keeps its socket.
    const { after } =
      input.Port === undefined
        ? await routing.change(body)
        : await routing.create({ port: input.Port, body, undo: (tx, made) => undoModify(tx, call, made) });
    return after;
  };
}

async function withArns(tx: ReadTx, call: Call, arns: readonly string[]): Promise<Listener[]> {
  const found: Listener[] = [];
  for (const arn of arns) found.push(await existingListener(tx, call, arn));
  return found;
}

export function listenerOperations(deps: ElbDeps) {
  const { store, routing } = deps;
  const create = listenerCreation(deps);
  const change = listenerModification(deps);
  const read = (rowsOf: (tx: ReadTx) => Promise<readonly Listener[]>) =>
    store.read(async (tx) => ({ Listeners: await describedAll(tx, await rowsOf(tx)) }));

  return {
    async CreateListener(input, call) {
      clientTags(input.Tags);
      const row = await create({ input }, call);
      return read(async () => [row]);
    },

    async DescribeListeners(input, call) {
      const { LoadBalancerArn: owner, ListenerArns: arns = [] } = input;
      if (owner === undefined && arns.length === 0) {
        throw invalid("You must specify either listener ARNs or a load balancer ARN");
      }
      if (owner !== undefined && arns.length > 0) {
        throw invalid("Listener ARNs and a load balancer ARN cannot be specified at the same time");
      }
      if (owner === undefined) return read((tx) => withArns(tx, call, arns));
      const { page, next } = await onePage<Listener>({
        operation: "DescribeListeners",
        input,
        filters: owner,
        call,
        keyOf: ({ id }) => id,
        rowsAfter: async (key, limit) => {
          const all = await store.read(async (tx) => listenersOf(tx, await existingLoadBalancer(tx, call, owner)));
          return all.filter(({ id }) => key === undefined || id > String(key)).slice(0, limit);
        },
      });
      return { ...(await read(async () => page)), ...next };
    },

    async ModifyListener(input, call) {
      const row = await change(input, undefined, call);
      return read(async () => [row]);
    },

    async DeleteListener(input, call) {
      await routing.change(async (tx) => deleteListener(tx, await existingListener(tx, call, input.ListenerArn)));
      return {};
    },
  } satisfies Handlers<Elb>;
}
