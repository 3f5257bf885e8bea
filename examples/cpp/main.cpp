// Finds the instances of an image with an exported model: one line each, and a label map.

#include <cstdio>
#include <cstdlib>
#include <exception>

#include "detector.h"

int main(int argc, char** argv) {
  if (argc < 4 || argc > 5) {
    std::fprintf(stderr, "usage: %s MODEL.onnx IMAGE LABELS.pgm [SCORE_THR, 0.3 by default]\n",
                 argv[0]);
    return 2;
  }
  try {
    Detector detector(argv[1]);
    const Image image = read_image(argv[2]);
    const float score_thr = argc > 4 ? std::strtof(argv[4], nullptr) : 0.3f;
    const std::vector<Instance> instances = detector.predict(image, score_thr);

    // 0 for background, 1 for the best instance; where two overlap, the better one is on top
    std::vector<std::uint16_t> labels(static_cast<std::size_t>(image.width) * image.height);
    for (std::size_t i = 0; i < instances.size(); ++i) {
      const std::vector<std::uint8_t>& mask = instances[i].mask.pixels;
      for (std::size_t p = 0; p < labels.size(); ++p) {
        if (mask[p] && !labels[p]) labels[p] = static_cast<std::uint16_t>(i + 1);
      }
    }
    write_pgm(argv[3], image.width, image.height, labels);

    std::printf("number\tclass\tscore\tleft\ttop\tright\tbottom\n");
    for (std::size_t i = 0; i < instances.size(); ++i) {
      const Instance& one = instances[i];
      std::printf("%zu\t%s\t%.6f\t%.3f\t%.3f\t%.3f\t%.3f\n", i + 1, one.name.c_str(), one.score,
                  one.box[0], one.box[1], one.box[2], one.box[3]);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
