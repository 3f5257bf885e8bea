"""Track instances through a video: CondInst detects them, ByteTrack numbers them.

    pip install "condinst[track]"
    python examples/track_video.py MODEL [CHECKPOINT] film.mp4 --out tracked.mp4

MODEL is the name of a published model, a config, or a checkpoint that contains its config. The
color of a mask is that of its track.
"""

import argparse
from collections.abc import Iterable, Iterator

import supervision as sv
from trackers import ByteTrackTracker

from condinst import Predictor, Results


def track(stream: Iterable[Results], frame_rate: float) -> Iterator[tuple[Results, sv.Detections]]:
    """Each frame's results, and its detections with ``tracker_id``; those without a track are left
    out.
    """
    # CondInst's scores are products, lower than those that ByteTrack's thresholds are made for
    tracker = ByteTrackTracker(
        frame_rate=frame_rate, track_activation_threshold=0.4, high_conf_det_threshold=0.3
    )
    for results in stream:
        detections = tracker.update(results.to_supervision())
        yield results, detections[detections.tracker_id >= 0]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="+", help="MODEL, or CONFIG CHECKPOINT")
    parser.add_argument("video", help="video to read")
    parser.add_argument("--out", required=True, help="video to write, .mp4")
    parser.add_argument("--device", help="such as cuda:0 or cpu")
    args = parser.parse_args()

    # ByteTrack makes use of low scores too
    predictor = Predictor(*args.model, device=args.device, score_thr=0.1)
    info = sv.VideoInfo.from_video_path(args.video)
    draw_masks = sv.MaskAnnotator(color_lookup=sv.ColorLookup.TRACK)
    draw_labels = sv.LabelAnnotator(color_lookup=sv.ColorLookup.TRACK)
    tracks = set()
    with sv.VideoSink(args.out, info) as sink:
        for results, detections in track(predictor.stream(args.video), info.fps):
            tracks.update(detections.tracker_id.tolist())
            frame = results.read_image()[:, :, ::-1].copy()  # BGR, as OpenCV has it
            names = zip(detections.tracker_id, detections["class_name"], strict=True)
            labels = [f"#{number} {name}" for number, name in names]
            sink.write_frame(
                draw_labels.annotate(draw_masks.annotate(frame, detections), detections, labels)
            )
    print(f"{len(tracks)} tracks: {args.out}")


if __name__ == "__main__":
    main()
