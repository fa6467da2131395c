/** S3: buckets, objects in one piece or in parts, versions, listings, and what a bucket can be told to do. */
import { defineService } from "../../kit/service.ts";
import { aclOperations } from "./acl.ts";
import { attributeOperations } from "./attributes.ts";
import { bucketOperations } from "./buckets.ts";
import { completionOperations } from "./completion.ts";
import { configurationOperations } from "./configurations.ts";
import { copyOperations } from "./copies.ts";
import { corsMatching, corsOperations } from "./cors.ts";
import { deletionOperations } from "./deletion.ts";
import { lifecycleJob, lifecycleOperations } from "./lifecycle.ts";
import { listingOperations } from "./listing.ts";
import { lockingOperations } from "./locking.ts";
import { createEvents, notificationOperations } from "./notifications.ts";
import { objectOperations } from "./objects.ts";
import { bucketPolicyResource } from "./policy-resource.ts";
import { createReading } from "./reading.ts";
import { bucketResource } from "./resources.ts";
import { migrations, namesBlob } from "./tables.ts";
import { taggingOperations } from "./tagging.ts";
import { uploadListingOperations } from "./upload-listing.ts";
import { uploadOperations } from "./uploads.ts";
import { versionListingOperations } from "./version-listing.ts";
import { websiteOperations, websiteVisits } from "./website.ts";

export const s3 = defineService({
  name: "s3",
  migrations,
  create(deps) {
    const events = createEvents(deps);
    const reading = createReading();
    const readers = { ...deps, reading };
    return {
      operations: {
        ...bucketOperations(deps),
        ...objectOperations(readers, events),
        ...deletionOperations(deps, events),
        ...listingOperations(deps),
        ...uploadOperations(deps),
        ...uploadListingOperations(deps),
        ...completionOperations(deps, events),
        ...copyOperations(readers, events),
        ...attributeOperations(deps),
        ...versionListingOperations(deps),
        ...taggingOperations(deps, events),
        ...configurationOperations(deps),
        ...aclOperations(deps),
        ...lockingOperations(deps),
        ...notificationOperations(deps),
        ...lifecycleOperations(deps),
        ...corsOperations(deps),
        ...websiteOperations(deps),
      },
      internal: { ...corsMatching(deps), ...websiteVisits(readers) },
      workers: [lifecycleJob(deps, events)],
      resources: [bucketResource(deps), bucketPolicyResource(deps)],
      namesBlob: async (id) => reading.holds(id) || deps.store.read((tx) => namesBlob(tx, id)),
    };
  },
});
