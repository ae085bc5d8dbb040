#include "core/graph_file.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>
#include <vector>

#include "core/checksum.h"
#include "core/errors.h"
#include "core/graph_format.h"
#include "core/mapped_file.h"
#include "core/thread_pool.h"

namespace kgwalk {
namespace {

constexpr const char* kKindNames[kKindEnd] = {
    "",
    "type offsets",
    "edge offsets",
    "edges",
    "entity name offsets",
    "entity name bytes",
    "entity name order",
    "relation name offsets",
    "relation name bytes",
    "relation name order",
    "label offsets",
    "label bytes",
    "label order",
};

std::uint64_t block_sum(Span<const char> data, std::size_t block) {
  const std::size_t begin = block * kBlock;
  return hash64(data.data() + begin, std::min(kBlock, data.size() - begin), block);
}

/// Blocks that pay for the wake-up of a thread: 16 take about a millisecond.
constexpr std::int64_t kBlockGrain = 16;

/// A file's parts, each checked before the next is trusted.
class Decoder {
 public:
  Decoder(std::shared_ptr<const void> owner, Span<const char> bytes, const std::string& path)
      : owner_(std::move(owner)), bytes_(bytes), path_(path) {
    read_header();
    read_sections();
  }

  void check_blocks() const {
    const Span<const char> data = bytes_.subspan(data_begin_, bytes_.size() - data_begin_);
    const char* sums = bytes_.data() + table_end(header_.num_sections, 0);
    parallel_for(static_cast<std::int64_t>(header_.num_blocks), kBlockGrain, [&](std::int64_t begin, std::int64_t end) {
      for (auto block = static_cast<std::size_t>(begin); block < static_cast<std::size_t>(end); ++block) {
        std::uint64_t expected;
        std::memcpy(&expected, sums + block * sizeof expected, sizeof expected);
        if (block_sum(data, block) == expected) continue;
        const std::size_t from = data_begin_ + block * kBlock;
        fail("block " + std::to_string(block) + " (bytes " + std::to_string(from) + " to " +
             std::to_string(std::min(from + kBlock, bytes_.size())) + "): the checksum does not match");
      }
    });
  }

  Graph graph() const {
    const auto types = elements<EntityId>(kTypes);
    const auto offsets = elements<std::int64_t>(kOffsets);
    const auto edges = elements<Edge>(kEdges);
    if (offsets.size() != static_cast<std::size_t>(header_.num_entities) + 1) {
      fail_count(kOffsets, static_cast<std::size_t>(header_.num_entities) + 1, offsets.size());
    }
    try {
      return Graph(owner_, header_.num_entities, header_.num_relations, header_.num_facts, offsets, edges,
                   {types.begin(), types.end()});
    } catch (const std::invalid_argument& e) {
      fail(std::string("section \"type offsets\": ") + e.what());
    }
  }

  std::uint64_t checksum() const { return header_.checksum; }

  std::optional<Names> names(SectionKind first, std::int32_t count) const {
    if (section(first).kind == 0) return std::nullopt;
    const auto n = static_cast<std::size_t>(count);
    const auto offsets = elements<std::int64_t>(first);
    const auto bytes = elements<char>(static_cast<SectionKind>(first + 1));
    const auto order = elements<std::int32_t>(static_cast<SectionKind>(first + 2));
    if (offsets.size() != n + 1) fail_count(first, n + 1, offsets.size());
    if (order.size() != n) fail_count(static_cast<SectionKind>(first + 2), n, order.size());
    return Names(owner_, offsets, bytes, order);
  }

  [[noreturn]] void fail(const std::string& what) const { throw FormatError(path_ + ": graph file: " + what); }

 private:
  void read_header() {
    if (bytes_.empty()) fail("expected a graph, found an empty file");
    if (std::memcmp(bytes_.data(), kGraphMagic, std::min(sizeof kGraphMagic, bytes_.size())) != 0) {
      fail("magic: this is no kgwalk graph file");
    }
    if (bytes_.size() < sizeof header_) {
      fail("header: expected 64 bytes, found " + std::to_string(bytes_.size()) + ": the file is cut short");
    }
    std::memcpy(&header_, bytes_.data(), sizeof header_);
    if (header_.byte_order != kByteOrder) fail("byte order: written on a machine of the other byte order");
    if (header_.version != kGraphVersion) {
      fail("format version: expected " + std::to_string(kGraphVersion) + ", found " + std::to_string(header_.version));
    }
    if (header_.file_size != bytes_.size()) {
      fail("length: expected " + std::to_string(header_.file_size) + " bytes, found " + std::to_string(bytes_.size()) +
           (bytes_.size() < header_.file_size ? ": the file is cut short" : ""));
    }
    // Counts bounded by the file's length cannot overflow below.
    if (header_.num_sections >= kKindEnd || header_.num_blocks > bytes_.size() / sizeof(std::uint64_t)) {
      fail("section table: expected it inside the file, found " + std::to_string(header_.num_sections) +
           " sections and " + std::to_string(header_.num_blocks) + " blocks");
    }
    data_begin_ = aligned(table_end(header_.num_sections, header_.num_blocks));
    if (data_begin_ > bytes_.size() || num_blocks(bytes_.size() - data_begin_) != header_.num_blocks) {
      fail("block checksums: expected one for each MiB of data, found " + std::to_string(header_.num_blocks));
    }
    if (header_checksum(bytes_.subspan(0, data_begin_)) != header_.checksum)
      fail("header: the checksum does not match");
    if (header_.num_entities < 0 || header_.num_relations < 0 || header_.num_relations > (INT32_MAX - 1) / 2 ||
        header_.num_facts < 0) {
      fail("header: expected counts in range, found " + std::to_string(header_.num_entities) + " entities, " +
           std::to_string(header_.num_relations) + " relations, " + std::to_string(header_.num_facts) + " facts");
    }
  }

  void read_sections() {
    for (std::size_t i = 0; i < header_.num_sections; ++i) {
      GraphSection s;
      std::memcpy(&s, bytes_.data() + table_end(i, 0), sizeof s);
      if (s.kind == 0 || s.kind >= kKindEnd || sections_[s.kind].kind != 0) {
        fail("section table: expected each known section once, found kind " + std::to_string(s.kind));
      }
      if (s.element_size == 0 || s.offset % kAlign != 0 || s.offset < data_begin_ || s.offset > bytes_.size() ||
          s.count > (bytes_.size() - s.offset) / s.element_size) {
        fail(std::string("section \"") + kKindNames[s.kind] + "\": expected it inside the data, found " +
             std::to_string(s.count) + " elements of " + std::to_string(s.element_size) + " bytes at byte " +
             std::to_string(s.offset));
      }
      sections_[s.kind] = s;
    }
  }

  const GraphSection& section(SectionKind kind) const { return sections_[kind]; }

  template <class T>
  Span<const T> elements(SectionKind kind) const {
    const GraphSection& s = section(kind);
    if (s.kind == 0) fail(std::string("section table: expected a section \"") + kKindNames[kind] + "\", found none");
    if (s.element_size != sizeof(T)) {
      fail(std::string("section \"") + kKindNames[kind] + "\": expected elements of " + std::to_string(sizeof(T)) +
           " bytes, found " + std::to_string(s.element_size));
    }
    return {reinterpret_cast<const T*>(bytes_.data() + s.offset), static_cast<std::size_t>(s.count)};
  }

  [[noreturn]] void fail_count(SectionKind kind, std::size_t expected, std::size_t found) const {
    fail(std::string("section \"") + kKindNames[kind] + "\": expected " + std::to_string(expected) +
         " elements, found " + std::to_string(found));
  }

  std::shared_ptr<const void> owner_;
  Span<const char> bytes_;
  const std::string& path_;
  GraphHeader header_{};
  std::size_t data_begin_ = 0;
  GraphSection sections_[kKindEnd] = {};
};

}  // namespace

std::size_t encoded_size(const GraphFile& tables) { return GraphLayout(tables).file_size(); }

void encode_graph(const GraphFile& tables, Span<char> to) {
  const GraphLayout layout(tables);
  const std::vector<char> head = layout.head(std::vector<std::uint64_t>(layout.num_blocks()));
  std::size_t at = std::copy(head.begin(), head.end(), to.begin()) - to.begin();
  for (const GraphLayout::Part& part : layout.parts()) {
    const std::size_t begin = aligned(at);
    std::fill(to.begin() + at, to.begin() + begin, '\0');
    at = begin + part.bytes();
    if (at > begin) std::memcpy(to.data() + begin, part.data, at - begin);
  }
  seal_graph(to);
}

void seal_graph(Span<char> bytes) {
  GraphHeader h;
  if (bytes.size() < sizeof h) return;
  std::memcpy(&h, bytes.data(), sizeof h);
  if (h.num_sections >= kKindEnd || h.num_blocks > bytes.size() / sizeof(std::uint64_t)) return;
  const std::size_t begin = aligned(table_end(h.num_sections, h.num_blocks));
  if (begin > bytes.size() || num_blocks(bytes.size() - begin) != h.num_blocks) return;
  const Span<const char> data(bytes.data() + begin, bytes.size() - begin);
  char* sums = bytes.data() + table_end(h.num_sections, 0);
  parallel_for(static_cast<std::int64_t>(h.num_blocks), kBlockGrain, [&](std::int64_t from, std::int64_t to) {
    for (auto block = static_cast<std::size_t>(from); block < static_cast<std::size_t>(to); ++block) {
      const std::uint64_t sum = block_sum(data, block);
      std::memcpy(sums + block * sizeof sum, &sum, sizeof sum);
    }
  });
  h.checksum = header_checksum({bytes.data(), begin});
  std::memcpy(bytes.data(), &h, sizeof h);
}

GraphFile decode_graph(std::shared_ptr<const void> owner, Span<const char> bytes, const std::string& path,
                       Verify verify) {
  const Decoder file(std::move(owner), bytes, path);
  const bool contents = verify == Verify::kContents || (verify == Verify::kAuto && bytes.size() < kVerifiedBelow);
  if (contents) file.check_blocks();
  const Graph graph = file.graph();
  GraphFile tables{graph, file.names(kEntityOffsets, graph.num_entities()),
                   file.names(kRelationOffsets, graph.num_relations()), file.names(kLabelOffsets, graph.num_entities()),
                   file.checksum()};
  if (!contents) return tables;
  try {
    graph.check();
    for (const auto* names : {&tables.entities, &tables.relations, &tables.labels}) {
      if (!*names) continue;
      (*names)->check();
      if (names != &tables.labels && (*names)->first_duplicate() >= 0) {
        throw std::out_of_range("corrupt names: two ids have the same name");
      }
    }
  } catch (const std::out_of_range& e) {
    file.fail(std::string("contents: ") + e.what());
  }
  return tables;
}

void save_graph(const std::string& path, const GraphFile& tables) {
  WholeFile file(path, encoded_size(tables));
  encode_graph(tables, file.bytes());
  file.commit();
}

GraphFile open_graph(const std::string& path, Verify verify) {
  const auto file = std::make_shared<MappedFile>(path, MappedFile::Access::kAtRandom);
  return decode_graph(file, file->bytes(), path, verify);
}

std::string fingerprint(const Graph& graph) {
  const std::int64_t counts[] = {graph.num_entities(), graph.num_relations(), graph.num_facts(),
                                 static_cast<std::int64_t>(graph.type_offsets().size()), graph.num_edges()};
  const auto hash = [](const auto& elements, std::uint64_t seed) {
    return hash64(elements.data(), elements.size() * sizeof(*elements.data()), seed);
  };
  std::string hex;
  for (const std::uint64_t seed : {0, 1}) {
    std::uint64_t h = hash64(counts, sizeof counts, seed);
    h = hash(graph.edges(), hash(graph.offsets(), hash(graph.type_offsets(), h)));
    for (int shift = 60; shift >= 0; shift -= 4) hex += "0123456789abcdef"[(h >> shift) & 15];
  }
  return hex;
}

}  // namespace kgwalk
