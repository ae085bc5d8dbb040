#include "core/graph_format.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>

#include "core/checksum.h"

namespace kgwalk {

GraphLayout::GraphLayout(const GraphFile& tables)
    : num_facts_(tables.graph.num_facts()),
      num_entities_(tables.graph.num_entities()),
      num_relations_(tables.graph.num_relations()) {
  const Graph& g = tables.graph;
  const auto add = [this](SectionKind kind, const auto& elements) {
    parts_.push_back({kind, sizeof(*elements.data()), elements.data(), elements.size()});
  };
  add(kTypes, g.type_offsets());
  add(kOffsets, g.offsets());
  add(kEdges, g.edges());
  const auto add_names = [&](const std::optional<Names>& names, SectionKind first, std::int32_t count, const char* what,
                             bool distinct) {
    if (!names) return;
    if (names->size() != count) {
      throw std::invalid_argument(std::string(what) + ": expected " + std::to_string(count) + " names, got " +
                                  std::to_string(names->size()));
    }
    const std::int32_t repeated = distinct ? names->first_duplicate() : -1;
    if (repeated >= 0) {
      throw std::invalid_argument(std::string(what) + ": expected different names, got \"" +
                                  std::string((*names)[repeated]) + "\" twice");
    }
    static constexpr std::int64_t kZero = 0;
    const bool empty = names->offsets().empty();  // a default-constructed table
    add(first, empty ? Span<const std::int64_t>(&kZero, 1) : names->offsets());
    add(static_cast<SectionKind>(first + 1), names->bytes());
    add(static_cast<SectionKind>(first + 2), names->order());
  };
  add_names(tables.entities, kEntityOffsets, num_entities_, "entities", true);
  add_names(tables.relations, kRelationOffsets, num_relations_, "relations", true);
  add_names(tables.labels, kLabelOffsets, num_entities_, "labels", false);
}

void GraphLayout::set_num_edges(std::uint64_t count) {
  for (Part& part : parts_) {
    if (part.kind == kEdges) part.count = count;
  }
}

std::size_t GraphLayout::data_size() const {
  std::size_t size = 0;
  for (const Part& part : parts_) size = aligned(size) + part.bytes();
  return size;
}

std::size_t GraphLayout::num_blocks() const { return kgwalk::num_blocks(data_size()); }

std::size_t GraphLayout::data_begin() const { return aligned(table_end(parts_.size(), num_blocks())); }

std::vector<char> GraphLayout::head(const std::vector<std::uint64_t>& sums) const {
  std::vector<char> bytes(data_begin());
  GraphHeader h{};
  std::memcpy(h.magic, kGraphMagic, sizeof kGraphMagic);
  h.version = kGraphVersion;
  h.byte_order = kByteOrder;
  h.file_size = file_size();
  h.num_facts = num_facts_;
  h.num_entities = num_entities_;
  h.num_relations = num_relations_;
  h.num_sections = parts_.size();
  h.num_blocks = sums.size();
  std::memcpy(bytes.data(), &h, sizeof h);
  std::size_t at = bytes.size();
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const std::size_t begin = aligned(at);
    const GraphSection s{parts_[i].kind, parts_[i].element_size, begin, parts_[i].count};
    std::memcpy(bytes.data() + table_end(i, 0), &s, sizeof s);
    at = begin + parts_[i].bytes();
  }
  if (!sums.empty()) {
    std::memcpy(bytes.data() + table_end(parts_.size(), 0), sums.data(), sums.size() * sizeof(std::uint64_t));
  }
  h.checksum = header_checksum(bytes);
  std::memcpy(bytes.data(), &h, sizeof h);
  return bytes;
}

std::uint64_t header_checksum(Span<const char> head) {
  GraphHeader h;
  std::memcpy(&h, head.data(), sizeof h);
  h.checksum = 0;
  return hash64(head.data() + sizeof h, head.size() - sizeof h, hash64(&h, sizeof h));
}

}  // namespace kgwalk
