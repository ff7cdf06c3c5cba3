// What tells a visitor in another tab that something came: the page's title and a short sound.

/** Of the widgets of this page: how many messages wait in each. */
const waiting = new Map<Attention, number>();
/** The page's own title, and what was made of it. */
let title = '';
let shown = '';

export class Attention {
  constructor(private readonly sound: boolean) {}

  /** `unread` messages are waiting; in a page that is seen the launcher says so. */
  update(unread: number): void {
    const { hidden } = document;
    if (hidden && this.sound && unread > (waiting.get(this) ?? 0) && navigator.userActivation?.hasBeenActive) chime();
    if (unread) waiting.set(this, unread);
    else waiting.delete(this);
    const all = [...waiting.values()].reduce((sum, some) => sum + some, 0);
    // The page may have given itself another title meanwhile.
    if (document.title !== shown) title = document.title;
    shown = hidden && all ? `(${all}) ${title}` : title;
    if (document.title !== shown) document.title = shown;
  }
}

function chime(): void {
  try {
    const context = new AudioContext();
    const [tone, volume] = [context.createOscillator(), context.createGain()];
    const end = context.currentTime + 0.5;
    tone.frequency.value = 660;
    volume.gain.value = 0.05;
    volume.gain.exponentialRampToValueAtTime(0.0001, end);
    tone.connect(volume).connect(context.destination);
    tone.onended = () => void context.close();
    tone.start();
    tone.stop(end);
  } catch {
    // No sound here.
  }
}
