#include "jpeg.h"

#include <csetjmp>
#include <cstdio>

#include <jpeglib.h>

#define TEXT_OF(name) #name
#define TEXT(name) TEXT_OF(name)

namespace fastclip {

// A JPEG of a few thousand bytes can hold hundreds of scans, each of which costs as much as a picture. Encoders write about ten.
constexpr int kMostScans = 100;

// libjpeg ends the process on errors and goes on after warnings ("Corrupt JPEG data: bad Huffman code"). Here both end the decoding.
// A jump, because libjpeg is C: an exception could not pass through it. So nothing between guarded() and libjpeg may need a destructor.
struct Errors {
  jpeg_error_mgr manager;  // the first member: libjpeg hands out its address
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] static void fail(j_common_ptr info) {
  auto* errors = reinterpret_cast<Errors*>(info->err);
  errors->manager.format_message(info, errors->message);
  std::longjmp(errors->jump, 1);
}

// Level -1 is a warning, higher levels only tell what is found.
static void onMessage(j_common_ptr info, int level) {
  if (level < 0) fail(info);
}

static void onProgress(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMostScans) return;
  auto* errors = reinterpret_cast<Errors*>(info->err);
  std::snprintf(errors->message, sizeof errors->message, "more than %d scans", kMostScans);
  std::longjmp(errors->jump, 1);
}

// CMYK as Adobe writes it, with 255 for no ink, to red, green and blue by PIL's formula.
static void toRgb(uint8_t* row, size_t width) {
  for (size_t x = 0; x < width; ++x, row += 4) {
    for (size_t channel = 0; channel < 3; ++channel) {
      const int product = (255 - row[channel]) * row[3] + 128;
      const int level = row[3] - (((product >> 8) + product) >> 8);
      row[channel] = static_cast<uint8_t>(level < 0 ? 0 : level);
    }
  }
}

namespace {

class Decoder {
 public:
  Decoder() {
    info_.err = jpeg_std_error(&errors_.manager);
    errors_.manager.error_exit = fail;
    errors_.manager.emit_message = onMessage;
    progress_.progress_monitor = onProgress;
  }
  ~Decoder() { jpeg_destroy_decompress(&info_); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  const char* message() const { return errors_.message; }
  JpegSize size() const { return {info_.image_width, info_.image_height}; }

  bool open(Bytes file) {
    return guarded([&] {
      jpeg_create_decompress(&info_);
      info_.progress = &progress_;
      jpeg_mem_src(&info_, file.data, file.size);
      jpeg_read_header(&info_, TRUE);
    });
  }

  // What PIL would not read either.
  bool hasColors() {
    const int channels = info_.num_components;
    if (channels == 1 || channels == 3 || channels == 4) return true;
    std::snprintf(errors_.message, sizeof errors_.message, "%d channels", channels);
    return false;
  }

  // `row` has room for a row of the picture and the resampler's slack.
  bool decode(const Box& box, Resampler& resampler, uint8_t* row) {
    return guarded([&] {
      info_.out_color_space = info_.num_components == 4 ? JCS_CMYK : JCS_EXT_RGBX;
      info_.dct_method = JDCT_ISLOW;
      jpeg_start_decompress(&info_);
      const int64_t first = box.top + resampler.firstRow();
      const int64_t end = box.top + resampler.endRow();
      for (int64_t y = 0; y < info_.image_height; ++y) {
        jpeg_read_scanlines(&info_, &row, 1);
        if (y < first || y >= end) continue;
        uint8_t* inside = row + 4 * box.left;
        if (info_.out_color_space == JCS_CMYK) toRgb(inside, static_cast<size_t>(box.width));
        resampler.addRow(inside);
      }
      jpeg_finish_decompress(&info_);
    });
  }

 private:
  // Runs `body`; false when it failed.
  template <typename Body>
  bool guarded(Body body) {
    if (setjmp(errors_.jump) != 0) return false;
    body();
    return true;
  }

  jpeg_decompress_struct info_{};
  jpeg_progress_mgr progress_{};
  Errors errors_{};
};

}  // namespace

std::string readJpegSize(Bytes file, JpegSize& size) {
  Decoder decoder;
  if (!decoder.open(file) || !decoder.hasColors()) return decoder.message();
  size = decoder.size();
  return "";
}

std::string resampleJpeg(Bytes file, const Resize& resize, uint8_t* target) {
  Decoder decoder;
  if (!decoder.open(file) || !decoder.hasColors()) return decoder.message();
  const auto [width, height] = decoder.size();
  checkInside(resize.box, width, height);
  Resampler resampler(resize);
  std::vector<uint8_t> row(4 * static_cast<size_t>(width) + resampler.slack());
  if (!decoder.decode(resize.box, resampler, row.data())) return decoder.message();
  resampler.finish(target);
  return "";
}

const char* jpegVersion() { return TEXT(LIBJPEG_TURBO_VERSION); }

}  // namespace fastclip
