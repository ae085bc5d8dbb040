#pragma once

#include <cstddef>
#include <cstdint>

namespace kgwalk {

/// XXH64, the 64-bit hash of the published xxHash specification: fast, and not meant against an adversary.
std::uint64_t hash64(const void* data, std::size_t size, std::uint64_t seed = 0);

}  // namespace kgwalk
