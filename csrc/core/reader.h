#pragma once

#include <array>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/graph.h"
#include "core/names.h"

namespace kgwalk {

/// How a text file holds triples.
struct TripleFormat {
  /// One ASCII character. With ',' and ';' fields may be quoted as in RFC 4180; elsewhere a quote is a character.
  char delimiter = '\t';
  /// Which columns hold head, relation and tail, from 0.
  std::array<int, 3> columns{0, 1, 2};
  /// Columns that every line must have; 0 for one more than the last of `columns`.
  int num_columns = 0;
  /// Whether the first line names the columns.
  bool header = false;
};

/// Reads triples from text, giving entities and relations ids in order of first appearance over all files read.
/// Calls from several threads take turns.
class TripleReader {
 public:
  /// Reads a whole file. Lines end in LF or CRLF, the text is UTF-8 with or without a byte order mark, blank lines may
  /// stand at the end only. If it throws, the reader is as it was before.
  /// @param path  for messages only
  /// @param first_line  number of the first line, if this is a later piece of a file; a piece ends with a whole line
  /// @throws FormatError naming path and line on a wrong number of columns, an empty field, a bad quote, bytes that are
  ///     not UTF-8, a NUL byte, or a file without a triple; std::invalid_argument on an impossible format
  std::vector<Triple> add(std::string_view data, const std::string& path, const TripleFormat& format = {},
                          std::int64_t first_line = 1);

  EntityId num_entities() const;
  RelationId num_relations() const;
  /// Names of the entities or relations from id `from` on, each with a line end: what to hand to restore().
  std::string entity_lines(EntityId from) const;
  std::string relation_lines(RelationId from) const;
  /// Takes up where a reader stopped whose names these are, in order. @throws FormatError unless they all differ
  void restore(std::string_view entity_lines, std::string_view relation_lines);

  Names entities() const;
  Names relations() const;

 private:
  mutable std::mutex mutex_;
  Interner entities_, relations_;
};

}  // namespace kgwalk
