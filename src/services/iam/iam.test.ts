import { startMikan } from "../../mikan.ts";
import { iamSuite } from "./operations.suite.ts";

iamSuite(() => startMikan());
