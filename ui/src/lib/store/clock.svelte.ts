const TICK = 10_000;

/** The present, in steps of ten seconds, and only while somebody can see it. */
export class Clock {
  now = $state(Date.now());

  /** Runs until the returned function is called. */
  start(): () => void {
    let timer: ReturnType<typeof setInterval> | undefined;
    const tick = () => (this.now = Date.now());
    const follow = () => {
      clearInterval(timer);
      if (document.hidden) return;
      tick();
      timer = setInterval(tick, TICK);
    };
    document.addEventListener("visibilitychange", follow);
    follow();
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", follow);
    };
  }
}
