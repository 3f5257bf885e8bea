// PNG and JPEG files are read with libpng and libjpeg; label maps are written as PGM.

#include "image.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <stdexcept>

// jpeglib.h needs the standard headers above it
#include <jpeglib.h>
#include <png.h>

namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

// Both libraries are in C: an exception may not pass them, so a broken file ends the program.
[[noreturn]] void fail(const char* path, const char* reason) {
  std::fprintf(stderr, "error: %s: %s\n", path, reason);
  std::exit(1);
}

[[noreturn]] void fail_png(png_structp png, png_const_charp reason) {
  fail(static_cast<const char*>(png_get_error_ptr(png)), reason);
}

void ignore_png(png_structp, png_const_charp) {}

Image read_png(std::FILE* file, const std::string& path) {
  void* name = const_cast<char*>(path.c_str());
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, name, fail_png, ignore_png);
  png_infop info = png ? png_create_info_struct(png) : nullptr;
  if (!info) fail(path.c_str(), "out of memory");
  png_init_io(png, file);
  png_read_png(png, info,
               PNG_TRANSFORM_STRIP_16 | PNG_TRANSFORM_PACKING | PNG_TRANSFORM_EXPAND |
                   PNG_TRANSFORM_STRIP_ALPHA | PNG_TRANSFORM_GRAY_TO_RGB,
               nullptr);
  Image image(static_cast<int>(png_get_image_width(png, info)),
              static_cast<int>(png_get_image_height(png, info)), 3);
  png_bytepp rows = png_get_rows(png, info);
  for (int y = 0; y < image.height; ++y) {
    std::copy(rows[y], rows[y] + 3 * image.width, image.row(y));
  }
  png_destroy_read_struct(&png, &info, nullptr);
  return image;
}

[[noreturn]] void fail_jpeg(j_common_ptr jpeg) {
  char reason[JMSG_LENGTH_MAX];
  jpeg->err->format_message(jpeg, reason);
  fail(static_cast<const char*>(jpeg->client_data), reason);
}

// A warning, of level -1, is on data that are lost: the rest of a cut file would be gray.
void check_jpeg(j_common_ptr jpeg, int level) {
  if (level < 0) fail_jpeg(jpeg);
}

Image read_jpeg(std::FILE* file, const std::string& path) {
  jpeg_decompress_struct jpeg;
  jpeg_error_mgr errors;
  jpeg.err = jpeg_std_error(&errors);
  errors.error_exit = fail_jpeg;
  errors.emit_message = check_jpeg;
  jpeg.client_data = const_cast<char*>(path.c_str());
  jpeg_create_decompress(&jpeg);
  jpeg_stdio_src(&jpeg, file);
  jpeg_read_header(&jpeg, TRUE);
  jpeg.out_color_space = JCS_RGB;
  jpeg_start_decompress(&jpeg);
  Image image(static_cast<int>(jpeg.output_width), static_cast<int>(jpeg.output_height), 3);
  while (jpeg.output_scanline < jpeg.output_height) {
    JSAMPROW row = image.row(static_cast<int>(jpeg.output_scanline));
    jpeg_read_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_decompress(&jpeg);
  jpeg_destroy_decompress(&jpeg);
  return image;
}

}  // namespace

Image read_image(const std::string& path) {
  File file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) throw std::runtime_error(path + ": cannot be opened");
  unsigned char start[8] = {};
  const std::size_t count = std::fread(start, 1, sizeof start, file.get());
  std::rewind(file.get());
  if (count == sizeof start && png_sig_cmp(start, 0, sizeof start) == 0) {
    return read_png(file.get(), path);
  }
  if (start[0] == 0xFF && start[1] == 0xD8) return read_jpeg(file.get(), path);
  throw std::runtime_error(path + ": expected a PNG or JPEG file");
}

void write_pgm(const std::string& path, int width, int height,
               const std::vector<std::uint16_t>& numbers) {
  std::ofstream file(path, std::ios::binary);
  file << "P5\n" << width << ' ' << height << "\n65535\n";
  for (std::uint16_t number : numbers) {
    file.put(static_cast<char>(number >> 8)).put(static_cast<char>(number & 0xFF));
  }
  file.close();
  if (!file) throw std::runtime_error(path + ": cannot be written");
}
