/** What a target group is told at its creation: checked, with AWS's defaults filled in. Pure. */
import type { CreateTargetGroupInput, ModifyTargetGroupInput } from "@aws-sdk/client-elastic-load-balancing-v2";
import type { Received } from "../../kit/handlers.ts";
import { changedHealth, describedHealth, healthDefaults, type HealthSettings } from "./health-settings.ts";
import { invalid, notRun } from "./refusals.ts";
import { addressOf, isStream, protocolOfGroup, type Address, type TargetType } from "./target-address.ts";

export interface TargetGroupSettings {
  targetType: TargetType;
  ipAddressType: "ipv4" | "ipv6";
  address?: Address;
  health: HealthSettings;
}

type Created = Received<CreateTargetGroupInput>;

function targetTypeOf(input: Created): TargetType {
  const type = input.TargetType ?? "instance";
  if (type === "alb") throw notRun("target groups with target type 'alb'");
  return type;
}

function checkLambda(input: Created): void {
  const given = {
    Protocol: input.Protocol,
    "Protocol version": input.ProtocolVersion,
    Port: input.Port,
    "VPC ID": input.VpcId,
  };
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined) {
      throw invalid(`${name} cannot be specified for target groups with target type 'lambda'`);
    }
  }
}

/** The settings of a new target group. Throws in AWS's words. */
export function newSettings(input: Created): TargetGroupSettings {
  const targetType = targetTypeOf(input);
  if (input.TargetControlPort !== undefined) throw notRun("the target optimizer (TargetControlPort)");
  const ipAddressType = input.IpAddressType ?? "ipv4";
  if (targetType === "lambda") checkLambda(input);
  const address = targetType === "lambda" ? {} : { address: addressOf(input) };
  const checked = { targetType, ...address };
  const health = changedHealth(checked, healthDefaults(checked), input);
  return { targetType, ipAddressType, ...address, health };
}

/** The settings of before with what ModifyTargetGroup says over them. */
export function changedSettings(
  before: TargetGroupSettings,
  input: Received<ModifyTargetGroupInput>,
): TargetGroupSettings {
  return { ...before, health: changedHealth(before, before.health, input) };
}

/** The part of DescribeTargetGroups that comes from the settings. */
export function describedSettings(settings: TargetGroupSettings) {
  const { targetType, ipAddressType, address } = settings;
  const protocol = protocolOfGroup(settings);
  return {
    TargetType: targetType,
    IpAddressType: ipAddressType,
    ...(address === undefined || protocol === undefined
      ? {}
      : {
          Protocol: protocol,
          ...(isStream(settings) ? {} : { ProtocolVersion: address.version ?? "HTTP1" }),
          Port: address.port,
          VpcId: address.vpcId,
        }),
    ...describedHealth(settings),
  };
}
