// The camera: started and stopped by the visitor, and another one where there are several.

export class Camera {
  #stream;
  #devices = [];

  constructor(video) {
    this.video = video;
  }

  get running() {
    return Boolean(this.#stream);
  }

  get several() {
    return this.#devices.length > 1;
  }

  /** Starts the one on the back, or the one given. Raises Error in words. */
  async start(deviceId) {
    if (!navigator.mediaDevices?.getUserMedia) throw new Error("The camera needs https, or localhost.");
    this.stop();
    const which = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "environment" };
    try {
      const video = { width: { ideal: 1280 }, ...which };
      this.#stream = await navigator.mediaDevices.getUserMedia({ audio: false, video });
    } catch (error) {
      throw new Error(inWords(error));
    }
    this.video.srcObject = this.#stream;
    this.video.classList.toggle("mirrored", this.#track.getSettings().facingMode === "user");
    this.#track.addEventListener("ended", () => this.stop());
    await this.video.play();
    this.#devices = (await navigator.mediaDevices.enumerateDevices()).filter((each) => each.kind === "videoinput");
  }

  /** Goes on to the next of several. */
  async next() {
    const names = this.#devices.map((each) => each.deviceId);
    await this.start(names[(names.indexOf(this.#track.getSettings().deviceId) + 1) % names.length]);
  }

  stop() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = undefined;
    this.video.srcObject = null;
  }

  get #track() {
    return this.#stream.getVideoTracks()[0];
  }
}

function inWords({ name, message }) {
  if (name === "NotAllowedError") return "The camera was not allowed. The browser's site settings can change that.";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "There is no camera.";
  if (name === "NotReadableError") return "Another program uses the camera.";
  return `The camera cannot be started: ${message}`;
}
