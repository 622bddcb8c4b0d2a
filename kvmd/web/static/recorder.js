// Recording: the pictures as they come, into a video file that this browser makes (MediaStream Recording).

import { latestPicture, pictures } from "./pictures.js";

const KINDS = ["video/mp4;codecs=avc1.42E01F", "video/webm;codecs=vp9", "video/webm"];
const PIECE = 1000; // ms; what was recorded so far is kept, whatever becomes of the rest
const FPS = 30;

let recorder = null;
let began = 0;

const kind = () => KINDS.find((type) => globalThis.MediaRecorder?.isTypeSupported(type));

export const canRecord = () => Boolean(kind() && HTMLCanvasElement.prototype.captureStream);
export const isRecording = () => recorder !== null;
export const recordedSeconds = () => Math.floor((performance.now() - began) / 1000);

// Record until stopRecording; a picture must be there.
// :param done: called with the video, a Blob
export async function startRecording(done) {
  const canvas = document.createElement("canvas");
  const brush = canvas.getContext("2d");
  const draw = async (blob) => {
    const image = await createImageBitmap(blob);
    if (canvas.width !== image.width || canvas.height !== image.height) {
      Object.assign(canvas, { width: image.width, height: image.height });
    }
    brush.drawImage(image, 0, 0);
    image.close();
  };
  await draw(latestPicture());
  const hear = ({ detail }) => draw(detail).catch(() => {}); // a broken one
  pictures.addEventListener("picture", hear);
  const pieces = [];
  recorder = new MediaRecorder(canvas.captureStream(FPS), { mimeType: kind() });
  recorder.ondataavailable = ({ data }) => pieces.push(data);
  recorder.onstop = () => {
    pictures.removeEventListener("picture", hear);
    done(new Blob(pieces, { type: recorder.mimeType.split(";")[0] }));
    recorder = null;
  };
  began = performance.now();
  recorder.start(PIECE);
}

export function stopRecording() {
  recorder?.stop();
}
