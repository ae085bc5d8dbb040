#include "core/text.h"

#include <algorithm>
#include <cstring>

#include "core/errors.h"

namespace kgwalk {
namespace {

std::string hex_byte(unsigned char c) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  return {'0', 'x', kDigits[c >> 4], kDigits[c & 15]};
}

/// Length of the UTF-8 character at p, or 0.
std::size_t utf8_length(const unsigned char* p, std::size_t left) {
  const auto follows = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return i < left && p[i] >= low && p[i] <= high;
  };
  const unsigned c = p[0];
  if (c < 0x80) return 1;
  if (c >= 0xC2 && c <= 0xDF) return follows(1) ? 2 : 0;
  if (c >= 0xE0 && c <= 0xEF) {
    return follows(1, c == 0xE0 ? 0xA0 : 0x80, c == 0xED ? 0x9F : 0xBF) && follows(2) ? 3 : 0;
  }
  if (c >= 0xF0 && c <= 0xF4) {
    return follows(1, c == 0xF0 ? 0x90 : 0x80, c == 0xF4 ? 0x8F : 0xBF) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

void fail_at_line(const std::string& path, std::int64_t line, const std::string& what) {
  throw FormatError(path + ":" + std::to_string(line) + ": " + what);
}

std::string quoted(std::string_view text) {
  constexpr std::size_t kLongest = 60;
  std::size_t shown = std::min(text.size(), kLongest);
  while (shown < text.size() && shown > 0 && (static_cast<unsigned char>(text[shown]) & 0xC0) == 0x80) --shown;
  std::string out = "\"";
  for (const char c : text.substr(0, shown)) {
    if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\" + hex_byte(static_cast<unsigned char>(c)).substr(1);
    } else {
      out += c;
    }
  }
  return out + (shown < text.size() ? "\"..." : "\"");
}

std::string_view without_byte_order_mark(std::string_view data) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (data.substr(0, kByteOrderMark.size()) == kByteOrderMark) data.remove_prefix(kByteOrderMark.size());
  return data;
}

std::size_t find_non_text(std::string_view data) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(data.data());
  constexpr std::uint64_t kHigh = 0x8080808080808080ull, kLow = 0x0101010101010101ull;
  for (std::size_t i = 0; i < data.size();) {
    std::uint64_t word;
    if (i + sizeof word <= data.size()) {
      std::memcpy(&word, bytes + i, sizeof word);
      // Eight ASCII characters at once; the second test is zero only if no byte is.
      if ((word & kHigh) == 0 && ((word - kLow) & ~word & kHigh) == 0) {
        i += sizeof word;
        continue;
      }
    }
    const std::size_t length = bytes[i] == 0 ? 0 : utf8_length(bytes + i, data.size() - i);
    if (length == 0) return i;
    i += length;
  }
  return std::string_view::npos;
}

std::string non_text_reason(char byte) {
  if (byte == 0) return "expected UTF-8 text, found a NUL byte";
  return "expected UTF-8 text, found byte " + hex_byte(static_cast<unsigned char>(byte)) + " out of place";
}

}  // namespace kgwalk
