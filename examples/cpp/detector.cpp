#include "detector.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace {

using Json = nlohmann::json;

// In larger images, masks are drawn at this size and enlarged: 100 masks then take 0.4 GB.
constexpr double kMaxMaskPixels = 1 << 22;

int rounded(double side) { return std::max(static_cast<int>(side + 0.5), 1); }

// Reads one value of the file's metadata; `fallback` is for files that lack it.
Json read(const Ort::ModelMetadata& metadata, const std::string& key,
          const Json* fallback = nullptr) {
  Ort::AllocatorWithDefaultOptions allocator;
  const std::string name = "condinst." + key;
  const auto text = metadata.LookupCustomMetadataMapAllocated(name.c_str(), allocator);
  if (text) return Json::parse(text.get());
  if (fallback) return *fallback;
  throw std::runtime_error("no metadata " + name + ": expected a file of condinst export");
}

Size mask_size(const Image& image) {
  const double pixels = static_cast<double>(image.width) * image.height;
  if (pixels <= kMaxMaskPixels) return {image.width, image.height};
  const double factor = std::sqrt(kMaxMaskPixels / pixels);
  return {std::max(static_cast<int>(image.width * factor), 1),
          std::max(static_cast<int>(image.height * factor), 1)};
}

// Cuts the padding off a mask and brings it to the image's size.
Image draw_mask(const bool* values, int stride, Size inner, const Image& image) {
  Image mask(inner.width, inner.height, 1);
  for (int y = 0; y < inner.height; ++y) {
    for (int x = 0; x < inner.width; ++x) {
      mask.row(y)[x] = values[static_cast<std::size_t>(y) * stride + x] ? 255 : 0;
    }
  }
  mask = resize_pillow(mask, image.width, image.height);
  for (std::uint8_t& value : mask.pixels) value = value > 127;
  return mask;
}

}  // namespace

Detector::Detector(const std::string& path) {
  // the path of a file is a wide string on Windows
  session_ = Ort::Session(env_, std::filesystem::path(path).c_str(), Ort::SessionOptions());
  const Ort::ModelMetadata metadata = session_.GetModelMetadata();
  classes_ = read(metadata, "classes").get<std::vector<std::string>>();

  const Json three = 3, eight_bits = "uint8", none;
  if (read(metadata, "channels", &three) != 3 || read(metadata, "dtype", &eight_bits) != "uint8") {
    throw std::runtime_error(path + ": expected a model of RGB images of 8 bits");
  }
  const Json resize = read(metadata, "resize");
  if (!resize.is_null()) {
    const bool factors = !resize.value("scale_factor", none).is_null();
    resize_ = Resize{resize.at(factors ? "scale_factor" : "scale"), factors,
                     resize.at("keep_ratio"), resize.at("backend")};
    if (resize.at("interpolation") != "bilinear") {
      throw std::runtime_error(path + ": expected a bilinear resize, got " + resize.dump());
    }
  }
  if (read(metadata, "variant") == "fixed") {
    const auto size = read(metadata, "fixed_size").get<std::array<int, 2>>();
    fixed_ = Size{size[1], size[0]};
    batch_ = read(metadata, "batch").get<std::int64_t>();
    const Json color = read(metadata, "pad_color", &none), mean = read(metadata, "mean");
    if (!color.is_null()) {
      fill_ = color;
    } else if (!mean.is_null()) {  // the network then sees zeros
      if (mean.size() == 1) {
        fill_.fill(mean[0]);
      } else {
        fill_ = mean;
        if (read(metadata, "mean_order") == "BGR") std::reverse(fill_.begin(), fill_.end());
      }
    }
  }
}

// The size of the image within the input, as the test pipeline of the model's config resizes it.
Size Detector::input_size(const Image& image) const {
  double factor = 1;
  if (fixed_) {
    if (resize_ && !resize_->keep_ratio) return *fixed_;
    factor = std::min(static_cast<double>(fixed_->height) / image.height,
                      static_cast<double>(fixed_->width) / image.width);
    if (!resize_) factor = std::min(factor, 1.0);
    return {std::min(rounded(image.width * factor), fixed_->width),
            std::min(rounded(image.height * factor), fixed_->height)};
  }
  if (!resize_) return {image.width, image.height};
  std::array<double, 2> scale = resize_->scale;
  if (resize_->factors) {
    scale = {std::floor(image.width * scale[0] + 0.5), std::floor(image.height * scale[1] + 0.5)};
  }
  if (!resize_->keep_ratio) return {static_cast<int>(scale[0]), static_cast<int>(scale[1])};
  const auto [least, most] = std::minmax(scale[0], scale[1]);
  factor = std::min(most / std::max(image.width, image.height),
                    least / std::min(image.width, image.height));
  return {rounded(image.width * factor), rounded(image.height * factor)};
}

// Returns (batch, 3, height, width): the resized image at the upper left, and the rest filled.
std::vector<float> Detector::to_input(const Image& image, Size inner, Size padded) const {
  Image resized = image;
  if (inner.width != image.width || inner.height != image.height) {
    const bool opencv = resize_ && resize_->backend == "cv2";
    resized = (opencv ? resize_opencv : resize_pillow)(image, inner.width, inner.height);
  }
  const std::size_t plane = static_cast<std::size_t>(padded.width) * padded.height;
  std::vector<float> input(batch_ * 3 * plane);
  for (int c = 0; c < 3; ++c) {
    float* out = &input[c * plane];
    std::fill(out, out + plane, fill_[c]);
    for (int y = 0; y < inner.height; ++y) {
      for (int x = 0; x < inner.width; ++x) {
        out[static_cast<std::size_t>(y) * padded.width + x] = resized.row(y)[3 * x + c];
      }
    }
  }
  return input;
}

std::vector<Instance> Detector::predict(const Image& image, float score_thr) {
  const Size inner = input_size(image), padded = fixed_.value_or(inner);
  std::vector<float> pixels = to_input(image, inner, padded);
  const std::array<std::int64_t, 4> shape{batch_, 3, padded.height, padded.width};
  // the size of the masks, without padding; boxes are in its pixels
  const Size drawn = fixed_ ? inner : mask_size(image);
  std::array<std::int64_t, 2> out_size{drawn.height, drawn.width};
  const std::int64_t two = 2;

  const auto memory = Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault);
  std::vector<Ort::Value> inputs;
  inputs.push_back(Ort::Value::CreateTensor<float>(memory, pixels.data(), pixels.size(),
                                                   shape.data(), shape.size()));
  inputs.push_back(Ort::Value::CreateTensor<std::int64_t>(memory, out_size.data(), 2, &two, 1));
  const char* input_names[] = {"images", "out_size"};
  const char* output_names[] = {"boxes", "scores", "labels", "masks"};
  // a file of a fixed size has no out_size; of a batch, only the first image is used
  const std::vector<Ort::Value> outputs = session_.Run(
      Ort::RunOptions(), input_names, inputs.data(), fixed_ ? 1 : 2, output_names, 4);
  const float* boxes = outputs[0].GetTensorData<float>();
  const float* scores = outputs[1].GetTensorData<float>();
  const std::int64_t* labels = outputs[2].GetTensorData<std::int64_t>();
  const bool* masks = outputs[3].GetTensorData<bool>();
  const std::vector<std::int64_t> mask_shape = outputs[3].GetTensorTypeAndShapeInfo().GetShape();
  const std::int64_t count = mask_shape[mask_shape.size() - 3];
  const int rows = static_cast<int>(mask_shape[mask_shape.size() - 2]);
  const int columns = static_cast<int>(mask_shape[mask_shape.size() - 1]);

  const float across = static_cast<float>(static_cast<double>(image.width) / drawn.width);
  const float down = static_cast<float>(static_cast<double>(image.height) / drawn.height);
  std::vector<Instance> found;
  for (std::int64_t i = 0; i < count; ++i) {
    if (labels[i] < 0 || scores[i] < score_thr) continue;  // -1: no instance in this row
    std::array<float, 4> box{boxes[4 * i] * across, boxes[4 * i + 1] * down,
                             boxes[4 * i + 2] * across, boxes[4 * i + 3] * down};
    if (rows != drawn.height || columns != drawn.width) {  // the image is padded
      for (int k = 0; k < 4; ++k) {
        box[k] = std::clamp(box[k], 0.0f, static_cast<float>(k % 2 ? image.height : image.width));
      }
      if (box[2] <= box[0] || box[3] <= box[1]) continue;
    }
    const bool* mask = masks + static_cast<std::size_t>(i) * rows * columns;
    found.push_back(
        {classes_.at(labels[i]), scores[i], box, draw_mask(mask, columns, drawn, image)});
  }
  return found;
}
