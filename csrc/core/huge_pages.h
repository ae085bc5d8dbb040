#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace kgwalk {

/// Allocator of tables that are read at random: large ones lie on pages of 2 MB where the system has them, so that
/// fewer reads have to ask where their page is.
template <class T>
struct HugePages {
  using value_type = T;

  HugePages() = default;
  template <class U>
  HugePages(const HugePages<U>&) {}  // NOLINT: implicit, as allocators are

  T* allocate(std::size_t n) {
    constexpr std::size_t kPage = std::size_t{2} << 20, kLine = 64;
    static_assert(alignof(T) <= kLine, "tables are aligned to lines");
    if (n > (static_cast<std::size_t>(-1) - kPage) / sizeof(T)) throw std::bad_alloc();
    const std::size_t align = n * sizeof(T) >= kPage ? kPage : kLine;
    const std::size_t bytes = (n * sizeof(T) / align + 1) * align;
    void* data = std::aligned_alloc(align, bytes);
    if (data == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
    if (align == kPage) static_cast<void>(madvise(data, bytes, MADV_HUGEPAGE));  // a hint: without it pages are small
#endif
    return static_cast<T*>(data);
  }
  void deallocate(T* data, std::size_t) { std::free(data); }

  friend bool operator==(const HugePages&, const HugePages&) { return true; }
  friend bool operator!=(const HugePages&, const HugePages&) { return false; }
};

}  // namespace kgwalk
