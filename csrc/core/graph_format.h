#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/graph_file.h"

namespace kgwalk {

// Parts of the graph file that its readers and writers share; GraphFile says how they lie.

// The first byte is no ASCII and the line ends are mixed: a transfer in text mode shows.
inline constexpr char kGraphMagic[8] = {'\x89', 'K', 'G', 'W', '\r', '\n', '\x1A', '\n'};
inline constexpr std::uint32_t kGraphVersion = 1, kByteOrder = 0x01020304;
inline constexpr std::size_t kBlock = std::size_t{1} << 20, kAlign = 64;
/// Smaller files are verified when they are opened.
inline constexpr std::size_t kVerifiedBelow = std::size_t{256} << 20;

struct GraphHeader {
  char magic[8];
  std::uint32_t version, byte_order;
  std::uint64_t file_size;
  std::int64_t num_facts;
  std::int32_t num_entities, num_relations;
  std::uint64_t num_sections, num_blocks;
  std::uint64_t checksum;  // of everything before the data, itself taken as zero
};
static_assert(sizeof(GraphHeader) == 64, "the header is part of the file format");

struct GraphSection {
  std::uint32_t kind, element_size;
  std::uint64_t offset, count;
};
static_assert(sizeof(GraphSection) == 24, "the section table is part of the file format");

enum SectionKind : std::uint32_t {
  kTypes = 1,
  kOffsets,
  kEdges,
  kEntityOffsets,
  kEntityBytes,
  kEntityOrder,
  kRelationOffsets,
  kRelationBytes,
  kRelationOrder,
  kLabelOffsets,
  kLabelBytes,
  kLabelOrder,
  kKindEnd
};

constexpr std::size_t aligned(std::size_t n) { return (n + kAlign - 1) / kAlign * kAlign; }
constexpr std::size_t num_blocks(std::size_t bytes) { return (bytes + kBlock - 1) / kBlock; }
constexpr std::size_t table_end(std::size_t sections, std::size_t blocks) {
  return sizeof(GraphHeader) + sections * sizeof(GraphSection) + blocks * sizeof(std::uint64_t);
}

/// What a graph file holds, in order, and where.
class GraphLayout {
 public:
  struct Part {
    SectionKind kind;
    std::uint32_t element_size;
    const void* data;  // of the tables given
    std::uint64_t count;
    std::uint64_t bytes() const { return element_size * count; }
  };

  /// @param tables  outlive this
  /// @throws std::invalid_argument if a name table does not fit the graph
  explicit GraphLayout(const GraphFile& tables);
  explicit GraphLayout(GraphFile&&) = delete;

  /// Edges that are not in the graph given, but written by the caller.
  void set_num_edges(std::uint64_t count);
  const std::vector<Part>& parts() const { return parts_; }
  std::size_t num_blocks() const;
  std::size_t data_begin() const;
  std::size_t file_size() const { return data_begin() + data_size(); }
  /// The file up to its data, which has these block sums.
  std::vector<char> head(const std::vector<std::uint64_t>& sums) const;

 private:
  std::size_t data_size() const;

  std::int64_t num_facts_;
  std::int32_t num_entities_, num_relations_;
  std::vector<Part> parts_;
};

/// The checksum of a head, its own place taken as zero.
std::uint64_t header_checksum(Span<const char> head);

}  // namespace kgwalk
