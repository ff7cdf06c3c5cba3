// What tells a visitor in another tab that something came: the page's title and a short sound.

export class Attention {
  private title = '';
  private shown = '';
  private unread = 0;

  constructor(private readonly sound: boolean) {}

  /** `unread` messages are waiting; in a page that is seen the launcher says so. */
  update(unread: number): void {
    const hidden = document.hidden;
    if (hidden && unread > this.unread && this.sound && navigator.userActivation?.hasBeenActive) chime();
    this.unread = unread;
    // The page may have given itself another title meanwhile.
    if (document.title !== this.shown) this.title = document.title;
    const next = hidden && unread ? `(${unread}) ${this.title}` : this.title;
    this.shown = next;
    if (document.title !== next) document.title = next;
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
