// The camera, which the visitor starts and stops, and switches where there are several.

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

  /** Starts the rear camera, or the one of `deviceId`. Raises Error with a message for the visitor. */
  async start(deviceId) {
    if (!navigator.mediaDevices?.getUserMedia) throw new Error("The camera needs https, or localhost.");
    this.stop();
    const choice = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "environment" };
    try {
      const video = { width: { ideal: 1280 }, ...choice };
      this.#stream = await navigator.mediaDevices.getUserMedia({ audio: false, video });
    } catch (error) {
      throw new Error(messageFor(error));
    }
    this.video.srcObject = this.#stream;
    this.video.classList.toggle("mirrored", this.#track.getSettings().facingMode === "user");
    this.#track.addEventListener("ended", () => this.stop());
    await this.video.play();
    this.#devices = (await navigator.mediaDevices.enumerateDevices()).filter((device) => device.kind === "videoinput");
  }

  /** Switches to the next of several cameras. */
  async next() {
    const ids = this.#devices.map((device) => device.deviceId);
    await this.start(ids[(ids.indexOf(this.#track.getSettings().deviceId) + 1) % ids.length]);
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

function messageFor({ name, message }) {
  if (name === "NotAllowedError") return "The camera was not allowed. The browser's site settings can change that.";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "There is no camera.";
  if (name === "NotReadableError") return "Another program uses the camera.";
  return `The camera cannot be started: ${message}`;
}
