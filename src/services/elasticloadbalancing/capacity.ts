/**
 * What tools ask of every load balancer, and Mikan has nothing of: reserved capacity, address pools, trust stores. Reading
 * gives that there is none; asking for some is refused by name.
 */
import type { Handlers } from "../../kit/handlers.ts";
import { existingLoadBalancer, type ElbDeps } from "./load-balancers.ts";
import { fault, notRun, type Elb } from "./refusals.ts";

/** Source: ALB user guide, "Capacity reservations". */
const decreasesADay = 2;

export function capacityOperations({ store }: Pick<ElbDeps, "store">) {
  return {
    async DescribeCapacityReservation(input, call) {
      await store.read((tx) => existingLoadBalancer(tx, call, input.LoadBalancerArn));
      return { DecreaseRequestsRemaining: decreasesADay, CapacityReservationState: [] };
    },

    async ModifyCapacityReservation(input, call) {
      await store.read((tx) => existingLoadBalancer(tx, call, input.LoadBalancerArn));
      if ((input.MinimumLoadBalancerCapacity?.CapacityUnits ?? 0) > 0) throw notRun("capacity reservations");
      return { DecreaseRequestsRemaining: decreasesADay, CapacityReservationState: [] };
    },

    async ModifyIpPools(input, call) {
      await store.read((tx) => existingLoadBalancer(tx, call, input.LoadBalancerArn));
      if (input.IpamPools?.Ipv4IpamPoolId !== undefined) throw notRun("IPAM pools");
      return {};
    },

    async DescribeTrustStores(input) {
      if ([...(input.TrustStoreArns ?? []), ...(input.Names ?? [])].length > 0) {
        throw fault("TrustStoreNotFoundException", "One or more trust stores not found");
      }
      return { TrustStores: [] };
    },

    async GetResourcePolicy() {
      // Only trust stores have one, and there are none.
      throw fault("ResourceNotFoundException", "The specified resource does not exist");
    },
  } satisfies Handlers<Elb>;
}
