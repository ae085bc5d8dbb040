#pragma once

#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "core/rng.h"

namespace kgwalk {

/// Spoils inputs. What it does is a function of the generator alone.
class Mutator {
 public:
  /// @param tokens  pieces of the format, worth inserting
  explicit Mutator(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {}

  /// One to eight changes of `input`; `other` is a second seed to take pieces from.
  void operator()(std::string& input, const std::string& other, CounterRng& rng) const {
    for (std::uint64_t left = 1 + rng.below(8); left > 0; --left) change(input, other, rng);
  }

 private:
  static constexpr std::size_t kLongest = 4096;

  void change(std::string& s, const std::string& other, CounterRng& rng) const {
    const auto below = [&rng](std::size_t n) { return static_cast<std::size_t>(rng.below(n)); };
    const std::size_t at = below(s.size() + 1);
    const std::size_t left = s.size() - at;
    switch (below(9)) {
      case 0:  // flip a bit
        if (left > 0) s[at] = static_cast<char>(s[at] ^ (1 << below(8)));
        break;
      case 1:  // another byte
        if (left > 0) s[at] = static_cast<char>(below(256));
        break;
      case 2:  // a telling number, where numbers stand
        write_number(s, at / 4 * 4, rng);
        break;
      case 3:
        if (!tokens_.empty()) s.insert(at, tokens_[below(tokens_.size())]);
        break;
      case 4:
        s.erase(at, below(1 + (left < 16 ? left : 16)));
        break;
      case 5: {  // repeat a piece
        const std::string piece = s.substr(at, below(32));
        for (std::size_t i = 1 + below(3); i > 0; --i) s.insert(at, piece);
        break;
      }
      case 6: {  // a piece of another input
        const std::size_t from = below(other.size() + 1);
        s.insert(at, other.substr(from, below(64)));
        break;
      }
      case 7:  // cut short, more often near the end
        if (left < 64 || below(8) == 0) s.resize(at);
        break;
      case 8: {  // move a piece over another
        const std::string piece = s.substr(below(s.size() + 1), 1 + below(8));
        s.replace(at, piece.size() < left ? piece.size() : left, piece);
        break;
      }
    }
    if (s.size() > kLongest) s.resize(kLongest);
  }

  static void write_number(std::string& s, std::size_t at, CounterRng& rng) {
    static constexpr std::uint64_t kTelling[] = {
        0,     1,           2,          3,          7,          8,           63,
        64,    0x7FFFFFFF,  0x80000000, 0xFFFFFFFF, 0x3FFFFFFF, 0x100000000, 0x7FFFFFFFFFFFFFFF,
        ~0ull, ~0ull << 63, 1ull << 61, ~0ull - 63};
    std::uint64_t value = kTelling[rng.below(sizeof kTelling / sizeof *kTelling)];
    const std::size_t width = rng.below(2) == 0 ? 4 : 8;
    if (at + width > s.size()) return;
    if (rng.below(3) == 0) {  // a little off what is there
      std::memcpy(&value, s.data() + at, width);
      value += rng.below(17) - 8;
    }
    std::memcpy(&s[at], &value, width);
  }

  std::vector<std::string> tokens_;
};

}  // namespace kgwalk
