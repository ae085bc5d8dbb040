#pragma once

#include <cstdint>
#include <vector>

#include "core/count_table.h"
#include "core/relation_index.h"

namespace kgwalk {

/// A chain of directed relations as one number, the first relation in the highest digit; 0 is the empty body.
class BodyCode {
 public:
  /// @throws std::invalid_argument if bodies of so many atoms, with a head, do not fit in 64 bits
  BodyCode(RelationId num_relations, int max_length);

  std::uint64_t push(std::uint64_t body, RelationId relation) const {
    return body * base_ + static_cast<std::uint64_t>(relation) + 1;
  }
  /// A rule: body and forward head.
  std::uint64_t rule(std::uint64_t body, RelationId head) const {
    return body * num_relations_ + static_cast<std::uint64_t>(head);
  }
  std::uint64_t body_of(std::uint64_t rule) const { return rule / num_relations_; }
  RelationId head_of(std::uint64_t rule) const { return static_cast<RelationId>(rule % num_relations_); }
  std::vector<RelationId> atoms(std::uint64_t body) const;

 private:
  std::uint64_t base_, num_relations_;
};

/// Adds 1 to each rule head <- body, coded by `code`, for every fact (x, head, y) that the body's walks join without
/// the fact's own edge or its inverse: the support these facts give. Depth-first from the end where there is less to
/// walk, with a look-up at the other for the last hop. Threaded; what comes out does not depend on it.
/// @param facts  forward facts of the index
void join_bodies(const RelationIndex& index, const BodyCode& code, Span<const Triple> facts, int max_length,
                 bool object_identity, CountTable& support);

}  // namespace kgwalk
