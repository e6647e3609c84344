import type { Close } from "../backend/backend";
import type { Session } from "./session.svelte";

/** Streams usage into the rows while the window is visible. */
export function followStats(session: Session): Close {
  let wanted = 0;
  let close: Close | undefined;

  const stop = () => {
    wanted += 1;
    close?.();
    close = undefined;
  };
  const start = async () => {
    const turn = ++wanted;
    const opened = await session.backend.openStats((stats) => {
      const entry = session.dashboard.entry(stats.service);
      if (entry) entry.stats = stats;
    });
    // Hidden or closed while the host answered.
    if (turn === wanted) close = opened;
    else opened();
  };
  const follow = () => {
    stop();
    if (document.hidden) return;
    start().catch((error: unknown) => session.problems.report("No CPU and memory figures", error));
  };

  document.addEventListener("visibilitychange", follow);
  follow();
  return () => {
    document.removeEventListener("visibilitychange", follow);
    stop();
  };
}
