// An exported detector: reads its metadata, prepares an image, runs the file.
#pragma once

#include <onnxruntime_cxx_api.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "image.h"

// What the file finds in an image, best first.
struct Instance {
  std::string name;          // of the class
  float score;               // from 0 to 1
  std::array<float, 4> box;  // left, top, right, bottom, in pixels of the image
  Image mask;                // one channel of the image's size, 1 where the instance is
};

struct Size {
  int width, height;
};

// A file of `condinst export`, for any size or with --fixed-size.
class Detector {
 public:
  // Throws Ort::Exception if ONNX Runtime cannot read the file, and std::runtime_error if its
  // metadata are missing or ask for what this example does not do.
  explicit Detector(const std::string& path);

  // Finds the instances of an RGB image with at least this score. The file itself leaves out scores
  // below its condinst.score_thr.
  std::vector<Instance> predict(const Image& image, float score_thr);

 private:
  struct Resize {
    std::array<double, 2> scale;  // two sides to fit into, width and height, or factors of them
    bool factors, keep_ratio;
    std::string backend;  // "pillow" or "cv2"
  };

  Size input_size(const Image& image) const;
  std::vector<float> to_input(const Image& image, Size inner, Size padded) const;

  Ort::Env env_{ORT_LOGGING_LEVEL_WARNING, "condinst"};
  Ort::Session session_{nullptr};
  std::vector<std::string> classes_;
  std::optional<Resize> resize_;
  std::optional<Size> fixed_;  // of all inputs
  std::int64_t batch_ = 1;
  std::array<float, 3> fill_{};  // color of the padding of a fixed size, RGB
};
