import { storageConformance } from "./conformance.ts";
import { memoryStorage } from "./memory.ts";

storageConformance("memory", async ({ clock }) => {
  const storage = memoryStorage({ clock });
  return { storage, cleanup: () => storage.close() };
});
