// Images in memory and in files, and how they are resized.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

// Pixels of 8 bits, row by row, the channels of a pixel side by side: RGB, or one of a mask.
struct Image {
  int width = 0;
  int height = 0;
  int channels = 3;
  std::vector<std::uint8_t> pixels;

  Image() = default;
  Image(int width, int height, int channels)
      : width(width),
        height(height),
        channels(channels),
        pixels(static_cast<std::size_t>(width) * height * channels) {}

  std::uint8_t* row(int y) { return &pixels[static_cast<std::size_t>(y) * width * channels]; }
  const std::uint8_t* row(int y) const {
    return &pixels[static_cast<std::size_t>(y) * width * channels];
  }
};

// Reads a PNG or JPEG file as RGB. Alpha is dropped, and 16 bits keep their upper byte. The EXIF
// orientation is not read. A broken file ends the program with a message.
// Throws std::runtime_error if the file cannot be opened, or is of another kind.
Image read_image(const std::string& path);

// Writes numbers of 16 bits as a PGM file, which most programs for images read.
// Throws std::runtime_error if the file cannot be written.
void write_pgm(const std::string& path, int width, int height,
               const std::vector<std::uint16_t>& numbers);

// Resizes as pillow's bilinear filter does, to the same bytes: where an image shrinks, all pixels
// below an output pixel are averaged.
Image resize_pillow(const Image& image, int width, int height);

// Resizes as OpenCV's bilinear filter does, to one level of 255: four pixels are read for each
// output pixel, also where an image shrinks.
Image resize_opencv(const Image& image, int width, int height);
