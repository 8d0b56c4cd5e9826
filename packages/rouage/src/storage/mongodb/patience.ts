/** How long somebody waits for several statements together: each of them is bounded, and a read may need a few. */
import { unavailable } from "./failures.ts";

/** @throws ServiceError `unavailable` when `work` takes longer; what it does goes on, and nobody asks how it ended */
export async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(unavailable(new Error(`the database took longer than ${milliseconds} ms for one answer`))),
    milliseconds,
  );
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
