/** What DescribeTargetHealth says of a target: the edge's verdict in AWS's states, reasons and sentences. Pure. */
import type { AnomalyDetection, TargetHealth } from "@aws-sdk/client-elastic-load-balancing-v2";
import type { EndpointHealth } from "../../edge/ports.ts";

/** What is known of one target of a group. */
export interface TargetSight {
  /** Registered, deregistered and draining, or not there. */
  registration: "registered" | "draining" | "none";
  /** Only functions may go unchecked. */
  checked: boolean;
  /** A rule of some listener forwards to the group. */
  inUse: boolean;
  /** Absent where the edge does not look at the target (yet). */
  endpoint: EndpointHealth | undefined;
}

/** Source: Application Load Balancers guide, "Target health status" and "Health check reason codes". */
const notRegistered: TargetHealth = {
  State: "unused",
  Reason: "Target.NotRegistered",
  Description: "Target is not registered to the target group",
};
const draining: TargetHealth = {
  State: "draining",
  Reason: "Target.DeregistrationInProgress",
  Description: "Target deregistration is in progress",
};
const notInUse: TargetHealth = {
  State: "unused",
  Reason: "Target.NotInUse",
  Description: "Target group is not configured to receive traffic from the load balancer",
};
const checkDisabled: TargetHealth = {
  State: "unavailable",
  Reason: "Target.HealthCheckDisabled",
  Description: "Health checks are disabled for this target group",
};
const registering: TargetHealth = {
  State: "initial",
  Reason: "Elb.RegistrationInProgress",
  Description: "Target registration is in progress",
};
const initial: TargetHealth = {
  State: "initial",
  Reason: "Elb.InitialHealthChecking",
  Description: "Initial health checks in progress",
};

function unhealthy({ reason, status }: EndpointHealth): TargetHealth {
  const State = "unhealthy";
  if (reason === "timeout") return { State, Reason: "Target.Timeout", Description: "Request timed out" };
  if (reason === "status-mismatch") {
    const Description = `Health checks failed with these codes: [${status ?? ""}]`;
    return { State, Reason: "Target.ResponseCodeMismatch", Description };
  }
  return { State, Reason: "Target.FailedHealthChecks", Description: "Health checks failed" };
}

export function targetHealth({ registration, checked, inUse, endpoint }: TargetSight): TargetHealth {
  if (registration === "none") return notRegistered;
  if (registration === "draining") return draining;
  if (!inUse) return notInUse;
  if (!checked) return checkDisabled;
  switch (endpoint?.state) {
    case undefined:
      return registering;
    case "healthy":
      return { State: "healthy" };
    case "unhealthy":
      return unhealthy(endpoint);
    case "draining":
      return draining;
    case "unused":
      return notInUse;
    default:
      return initial;
  }
}

/** What is known of a target's failures beside those of the others of its group; nothing where nobody looks. */
export function anomalyOf(endpoint: EndpointHealth | undefined): { AnomalyDetection?: AnomalyDetection } {
  if (endpoint?.anomaly === undefined) return {};
  const { anomalous, mitigated } = endpoint.anomaly;
  return {
    AnomalyDetection: { Result: anomalous ? "anomalous" : "normal", MitigationInEffect: mitigated ? "yes" : "no" },
  };
}
