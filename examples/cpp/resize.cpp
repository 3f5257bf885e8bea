// The two bilinear filters that models are trained and tested with.

#include <algorithm>
#include <cmath>

#include "image.h"

namespace {

constexpr int kBits = 22;  // weights are whole numbers: 2 ** 22 stands for 1

// The inputs of one output pixel of a line, and their weights.
struct Taps {
  int first;
  std::vector<int> weights;
};

// A triangle around the middle of each output pixel, two input pixels wide, or two output pixels
// where the line shrinks.
std::vector<Taps> triangles(int from, int to) {
  const double scale = static_cast<double>(from) / to;
  const double reach = std::max(scale, 1.0);
  std::vector<Taps> taps(to);
  for (int i = 0; i < to; ++i) {
    const double middle = (i + 0.5) * scale;
    const int first = std::max(static_cast<int>(middle - reach + 0.5), 0);
    const int end = std::min(static_cast<int>(middle + reach + 0.5), from);
    std::vector<double> weights;
    double sum = 0;
    for (int x = first; x < end; ++x) {
      const double distance = std::abs((x - middle + 0.5) * (1 / reach));
      weights.push_back(std::max(1 - distance, 0.0));
      sum += weights.back();
    }
    taps[i].first = first;
    for (double weight : weights) {
      taps[i].weights.push_back(static_cast<int>(weight / sum * (1 << kBits) + 0.5));
    }
  }
  return taps;
}

// Sums weighted values that are `step` apart; the weights' sum is 1, so no value is out of range.
std::uint8_t weighted(const std::uint8_t* values, std::size_t step, const Taps& taps) {
  int sum = 1 << (kBits - 1);
  for (std::size_t k = 0; k < taps.weights.size(); ++k) sum += values[k * step] * taps.weights[k];
  return static_cast<std::uint8_t>(std::clamp(sum >> kBits, 0, 255));
}

}  // namespace

Image resize_pillow(const Image& image, int width, int height) {
  const int channels = image.channels;
  Image wide = image;
  if (width != image.width) {
    wide = Image(width, image.height, channels);
    const std::vector<Taps> taps = triangles(image.width, width);
    for (int y = 0; y < image.height; ++y) {
      for (int x = 0; x < width; ++x) {
        const std::uint8_t* first = image.row(y) + taps[x].first * channels;
        for (int c = 0; c < channels; ++c) {
          wide.row(y)[x * channels + c] = weighted(first + c, channels, taps[x]);
        }
      }
    }
  }
  if (height == image.height) return wide;
  Image resized(width, height, channels);
  const std::vector<Taps> taps = triangles(image.height, height);
  const std::size_t step = static_cast<std::size_t>(width) * channels;
  for (int y = 0; y < height; ++y) {
    const std::uint8_t* first = wide.row(taps[y].first);
    for (std::size_t i = 0; i < step; ++i) resized.row(y)[i] = weighted(first + i, step, taps[y]);
  }
  return resized;
}

Image resize_opencv(const Image& image, int width, int height) {
  Image resized(width, height, image.channels);
  const double across = static_cast<double>(image.width) / width;
  const double down = static_cast<double>(image.height) / height;
  for (int y = 0; y < height; ++y) {
    const double row = (y + 0.5) * down - 0.5;
    const int above = static_cast<int>(std::floor(row));
    const std::uint8_t* upper = image.row(std::clamp(above, 0, image.height - 1));
    const std::uint8_t* lower = image.row(std::clamp(above + 1, 0, image.height - 1));
    for (int x = 0; x < width; ++x) {
      const double column = (x + 0.5) * across - 0.5;
      const int before = static_cast<int>(std::floor(column));
      const int left = std::clamp(before, 0, image.width - 1) * image.channels;
      const int right = std::clamp(before + 1, 0, image.width - 1) * image.channels;
      for (int c = 0; c < image.channels; ++c) {
        const double a = upper[left + c], b = upper[right + c];
        const double d = lower[left + c], e = lower[right + c];
        const double top = a + (b - a) * (column - before);
        const double bottom = d + (e - d) * (column - before);
        const double value = top + (bottom - top) * (row - above);
        resized.row(y)[x * image.channels + c] = static_cast<std::uint8_t>(value);
      }
    }
  }
  return resized;
}
