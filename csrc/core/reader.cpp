#include "core/reader.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "core/errors.h"
#include "core/text.h"

namespace kgwalk {
namespace {

/// Throws at the first byte that is not text.
void check_text(std::string_view data, const std::string& path, std::int64_t first_line) {
  const std::size_t at = find_non_text(data);
  if (at == std::string_view::npos) return;
  const auto newlines = std::count(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(at), '\n');
  fail_at_line(path, first_line + newlines, non_text_reason(data[at]));
}

/// Cuts text into records of fields, one at a time.
class Records {
 public:
  Records(std::string_view data, const std::string& path, char delimiter, std::int64_t first_line)
      : data_(data),
        path_(path),
        delimiter_(delimiter),
        quotes_(delimiter == ',' || delimiter == ';'),
        line_(first_line),
        next_line_(first_line) {}

  /// Reads the next record; false at the end, blank lines there skipped.
  bool next() {
    fields_.clear();
    line_ = next_line_;
    if (at_ == data_.size()) return false;
    begin_ = at_;
    if (blank_line()) {
      if (data_.find_first_not_of("\r\n", at_) == std::string_view::npos) return false;
      fail_at_line(path_, line_, "expected a triple, found a blank line");
    }
    unquoted_.clear();
    while (field()) {
    }
    return true;
  }

  bool quotes() const { return quotes_; }
  std::int64_t line() const { return line_; }
  std::size_t size() const { return fields_.size(); }
  std::string_view operator[](std::size_t i) const {
    const Field& f = fields_[i];
    return f.unquoted < 0 ? f.text : std::string_view(unquoted_[static_cast<std::size_t>(f.unquoted)]);
  }
  std::string_view text() const {
    std::string_view record = data_.substr(begin_, at_ - begin_);
    while (!record.empty() && (record.back() == '\n' || record.back() == '\r')) record.remove_suffix(1);
    return record;
  }

 private:
  struct Field {
    std::string_view text;
    std::int64_t unquoted;  // index into unquoted_ of a field that had doubled quotes, or -1
  };

  bool blank_line() const { return data_[at_] == '\n' || data_.substr(at_, 2) == "\r\n" || data_.substr(at_) == "\r"; }

  /// Reads one field and what ends it; true if the record goes on.
  bool field() {
    if (quotes_ && at_ < data_.size() && data_[at_] == '"') {
      quoted_field();
    } else {
      const std::size_t begin = at_;
      while (at_ < data_.size() && data_[at_] != delimiter_ && data_[at_] != '\n' && data_[at_] != '\r') {
        if (quotes_ && data_[at_] == '"') {
          fail_at_line(path_, next_line_,
                       "expected quotes around a whole field, found one inside " + quoted(rest_of_line(begin)));
        }
        ++at_;
      }
      fields_.push_back({data_.substr(begin, at_ - begin), -1});
    }
    if (at_ == data_.size()) return false;
    if (data_[at_] == delimiter_) {
      ++at_;
      return true;
    }
    if (data_[at_] == '\r') ++at_;
    if (at_ < data_.size() && data_[at_] != '\n') {
      fail_at_line(path_, next_line_,
                   "expected a line end, found a lone carriage return before " + quoted(rest_of_line(at_)));
    }
    if (at_ < data_.size()) ++at_;
    ++next_line_;
    return false;
  }

  void quoted_field() {
    const std::int64_t opened = next_line_;
    const std::size_t begin = ++at_;
    bool doubled = false;
    for (;; ++at_) {
      if (at_ == data_.size()) fail_at_line(path_, opened, "expected a closing quote, found the end of the file");
      next_line_ += data_[at_] == '\n';
      if (data_[at_] != '"') continue;
      if (at_ + 1 == data_.size() || data_[at_ + 1] != '"') break;
      doubled = true;
      ++at_;
    }
    const std::string_view inside = data_.substr(begin, at_ - begin);
    ++at_;
    if (at_ < data_.size() && data_[at_] != delimiter_ && data_[at_] != '\n' && data_[at_] != '\r') {
      fail_at_line(path_, next_line_,
                   "expected a delimiter after the closing quote, found " + quoted(rest_of_line(at_)));
    }
    if (!doubled) {
      fields_.push_back({inside, -1});
      return;
    }
    std::string text;
    for (std::size_t i = 0; i < inside.size(); i += inside[i] == '"' ? 2 : 1) text += inside[i];
    fields_.push_back({{}, static_cast<std::int64_t>(unquoted_.size())});
    unquoted_.push_back(std::move(text));
  }

  std::string_view rest_of_line(std::size_t from) const {
    return data_.substr(from, data_.find_first_of("\r\n", from) - from);
  }

  std::string_view data_;
  const std::string& path_;
  const char delimiter_;
  const bool quotes_;
  std::size_t at_ = 0, begin_ = 0;
  std::int64_t line_, next_line_;
  std::vector<Field> fields_;
  std::vector<std::string> unquoted_;
};

std::string name_of(char delimiter) {
  if (delimiter == '\t') return "tab";
  if (delimiter == ' ') return "space";
  return std::string("'") + delimiter + "'";
}

int checked_num_columns(const TripleFormat& f) {
  const auto [h, r, t] = f.columns;
  const int last = std::max({h, r, t});
  if (std::min({h, r, t}) < 0 || h == r || r == t || h == t) {
    throw std::invalid_argument("columns: expected three distinct columns from 0, got (" + std::to_string(h) + ", " +
                                std::to_string(r) + ", " + std::to_string(t) + ")");
  }
  if (f.num_columns != 0 && f.num_columns <= last) {
    throw std::invalid_argument("num_columns: expected more than column " + std::to_string(last) + ", got " +
                                std::to_string(f.num_columns));
  }
  const auto d = static_cast<unsigned char>(f.delimiter);
  if (d == 0 || d >= 0x80 || f.delimiter == '\n' || f.delimiter == '\r' || f.delimiter == '"') {
    throw std::invalid_argument("delimiter: expected one ASCII character, neither quote nor line end");
  }
  return f.num_columns != 0 ? f.num_columns : last + 1;
}

}  // namespace

std::vector<Triple> TripleReader::add(std::string_view data, const std::string& path, const TripleFormat& format,
                                      std::int64_t first_line) {
  const auto num_columns = static_cast<std::size_t>(checked_num_columns(format));
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::int32_t num_entities = entities_.size(), num_relations = relations_.size();
  try {
    if (first_line == 1) data = without_byte_order_mark(data);
    check_text(data, path, first_line);
    std::vector<Triple> triples;
    Records record(data, path, format.delimiter, first_line);
    // Names of many lines are looked up together, so that memory is waited for once. Quoted fields may live no longer
    // than their record.
    struct Waiting {
      std::string_view head, tail;
      std::uint64_t head_hash, tail_hash;
      RelationId relation;
    };
    std::vector<Waiting> waiting;
    const std::size_t batch = record.quotes() ? 1 : 32;
    const auto take = [&] {
      for (int step = 0; step < 3 && batch > 1; ++step) {
        for (const Waiting& w : waiting) {
          entities_.prefetch(w.head_hash, step);
          entities_.prefetch(w.tail_hash, step);
        }
      }
      for (const Waiting& w : waiting) {
        const EntityId head = entities_.intern(w.head, w.head_hash);
        triples.push_back({head, w.relation, entities_.intern(w.tail, w.tail_hash)});
      }
      waiting.clear();
    };
    for (bool header = format.header; record.next(); header = false) {
      if (record.size() != num_columns) {
        fail_at_line(path, record.line(),
                     "expected " + std::to_string(num_columns) + " columns separated by " + name_of(format.delimiter) +
                         ", found " + std::to_string(record.size()) + " in " + quoted(record.text()));
      }
      if (header) continue;
      const auto field = [&](std::size_t role) {
        constexpr const char* kRoles[] = {"head", "relation", "tail"};
        const std::string_view text = record[static_cast<std::size_t>(format.columns[role])];
        if (text.empty()) {
          fail_at_line(path, record.line(),
                       std::string("expected the ") + kRoles[role] + " in column " +
                           std::to_string(format.columns[role] + 1) + ", found an empty field in " +
                           quoted(record.text()));
        }
        return text;
      };
      const std::string_view head = field(0), tail = field(2);
      waiting.push_back({head, tail, Interner::hash(head), Interner::hash(tail), relations_.intern(field(1))});
      if (waiting.size() == batch) take();
    }
    take();
    if (triples.empty()) {
      fail_at_line(path, record.line(),
                   std::string("expected a triple, found ") + (data.empty() ? "an empty file" : "the end of the file"));
    }
    return triples;
  } catch (...) {
    entities_.truncate(num_entities);
    relations_.truncate(num_relations);
    throw;
  }
}

EntityId TripleReader::num_entities() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return entities_.size();
}

RelationId TripleReader::num_relations() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return relations_.size();
}

std::string TripleReader::entity_lines(EntityId from) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return entities_.lines(from);
}

std::string TripleReader::relation_lines(RelationId from) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return relations_.lines(from);
}

void TripleReader::restore(std::string_view entity_lines, std::string_view relation_lines) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto [interner, lines] : {std::pair(&entities_, entity_lines), std::pair(&relations_, relation_lines)}) {
    for (std::size_t at = 0, end; at < lines.size(); at = end + 1) {
      end = std::min(lines.find('\n', at), lines.size());
      const std::int32_t next = interner->size();
      if (interner->intern(lines.substr(at, end - at)) != next) {
        throw FormatError("restore: expected different names, got " + quoted(lines.substr(at, end - at)) + " twice");
      }
    }
  }
}

Names TripleReader::entities() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return entities_.names();
}

Names TripleReader::relations() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return relations_.names();
}

}  // namespace kgwalk
