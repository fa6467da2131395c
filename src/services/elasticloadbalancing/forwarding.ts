/** What a rule may forward to: groups that exist, belong to no other load balancer, and are not too many. */
import type { Call } from "../../kit/call.ts";
import type { ReadTx } from "../../store/store.ts";
import { groupArnsOf, type RuleAction } from "./actions.ts";
import { readArn, targetGroupArn, type Membership } from "./arns.ts";
import { quotas } from "./limits.ts";
import { fault, invalid } from "./refusals.ts";
import { protocolOfGroup, type GroupProtocol } from "./target-address.ts";
import {
  findListener,
  findTargetGroup,
  usesOfGroup,
  usesOfLoadBalancer,
  type Listener,
  type TargetGroup,
} from "./tables.ts";

async function groupOf(tx: ReadTx, call: Call, arn: string): Promise<TargetGroup> {
  const key = readArn("target group", arn);
  if (key === undefined) throw invalid(`'${arn}' is not a valid target group ARN`);
  const row = key.account === call.account && key.region === call.region ? await findTargetGroup(tx, key) : undefined;
  if (row === undefined) throw fault("TargetGroupNotFoundException", `Target group '${arn}' not found`);
  return row;
}

/** Source: ALB user guide, "Protocol version": HTTPS is the only listener protocol for HTTP/2 and gRPC. */
function checkVersion(listener: Listener | undefined, { settings }: TargetGroup): void {
  const version = settings.address?.version ?? "HTTP1";
  if (version === "HTTP1" || listener?.protocol !== "HTTP") return;
  throw invalid(`Listener protocol 'HTTP' is not supported with a target group with the protocol-version '${version}'`);
}

/** What a group may speak behind a listener. Source: the guides, "Listeners", "Target groups"; functions speak nothing. */
const spokenBehind: Readonly<Record<string, readonly (GroupProtocol | undefined)[]>> = {
  HTTP: ["HTTP", "HTTPS", undefined],
  HTTPS: ["HTTP", "HTTPS", undefined],
  TCP: ["TCP"],
  TLS: ["TCP", "TLS"],
};

function checkProtocol(listener: Listener | undefined, group: TargetGroup): void {
  if (listener === undefined) return;
  const protocol = protocolOfGroup(group.settings);
  if (spokenBehind[listener.protocol]?.includes(protocol) === true) return;
  if (protocol === undefined) {
    const { targetType } = group.settings;
    throw fault(
      "InvalidConfigurationRequestException",
      `Target groups with target type '${targetType}' are not supported for listeners with protocol '${listener.protocol}'`,
    );
  }
  throw fault(
    "IncompatibleProtocolsException",
    `The listener and its associated target group '${targetGroupArn(group)}' have incompatible protocols: '${listener.protocol}' and '${protocol}'`,
  );
}

/**
 * The ids of the groups that `action` forwards to. Throws when one does not exist or serves another load balancer, or
 * when the load balancer would have too many. `policyArns` are groups that the rule's policies name. `ruleId` is the
 * rule that is changed: what it forwarded to goes.
 */
export async function forwardedGroups(
  tx: ReadTx,
  call: Call,
  owner: Membership & { listener_id: string },
  action: RuleAction,
  policyArns: readonly string[],
  ruleId?: string,
): Promise<string[]> {
  const ids: string[] = [];
  const listener = await findListener(tx, { ...owner, name: owner.load_balancer_name, id: owner.listener_id });
  for (const arn of new Set([...groupArnsOf(action), ...policyArns])) {
    const group = await groupOf(tx, call, arn);
    checkProtocol(listener, group);
    checkVersion(listener, group);
    const users = await usesOfGroup(tx, group);
    if (users.some((use) => use.load_balancer_id !== owner.load_balancer_id)) {
      throw fault(
        "TargetGroupAssociationLimitException",
        `The following target groups cannot be associated with more than one load balancer: ${arn}`,
      );
    }
    ids.push(group.id);
  }
  // Network load balancers have no such quota.
  if (owner.load_balancer_type === "network") return ids;
  const present = await usesOfLoadBalancer(tx, { ...owner, id: owner.load_balancer_id });
  const others = present.filter((use) => use.rule_id !== ruleId).map((use) => use.target_group_id);
  const max = quotas["target-groups-per-application-load-balancer"];
  if (new Set([...others, ...ids]).size > max) {
    throw fault(
      "TooManyUniqueTargetGroupsPerLoadBalancerException",
      `You have reached the maximum number of unique target groups that you can associate with a load balancer of type 'application': [${max}]`,
    );
  }
  return ids;
}
