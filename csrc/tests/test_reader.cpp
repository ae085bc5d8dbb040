#include <thread>

#include "core/checksum.h"
#include "core/errors.h"
#include "core/reader.h"
#include "tests/check.h"

namespace kgwalk {
namespace {

std::string text(const std::vector<Triple>& triples) {
  std::string s;
  for (const Triple& t : triples) {
    s += std::to_string(t.head) + "-" + std::to_string(t.relation) + "-" + std::to_string(t.tail) + " ";
  }
  return s;
}

std::string text(const Names& names) {
  std::string s;
  for (std::int32_t i = 0; i < names.size(); ++i) s += std::string(names[i]) + "|";
  return s;
}

const TripleFormat kCsv{',', {0, 1, 2}, 0, false};

void refuses(std::string_view data, const std::string& part, const TripleFormat& format = {}) {
  TripleReader reader;
  reader.add("old\trel\tother\n", "first");
  CHECK_THROWS(FormatError, part, reader.add(data, "file", format));
  CHECK_EQ(text(reader.entities()), "old|other|");
  CHECK_EQ(text(reader.relations()), "rel|");
  CHECK_EQ(text(reader.add("other\trel\tnew\n", "third")), "1-0-2 ");  // as if it had not happened
}

}  // namespace

TEST(checksum_gives_the_published_values) {
  CHECK_EQ(hash64("", 0), 0xEF46DB3751D8E999ull);
  CHECK_EQ(hash64("a", 1), 0xD24EC4F1A98C6E5Bull);
  CHECK_EQ(hash64("abc", 3), 0x44BC2CF5AD770999ull);
  const std::string long_text = "Call me Ishmael. Some years ago--never mind how long precisely-";
  CHECK_EQ(hash64(long_text.data(), long_text.size()), 0x02A2E85470D6FD96ull);
}

TEST(reader_numbers_names_by_first_appearance_over_files) {
  TripleReader reader;
  CHECK_EQ(text(reader.add("b\tr\ta\na\ts\tb\n", "1")), "0-0-1 1-1-0 ");
  CHECK_EQ(text(reader.add("c\ts\tb", "2")), "2-1-0 ");
  CHECK_EQ(text(reader.entities()), "b|a|c|");
  CHECK_EQ(text(reader.relations()), "r|s|");
}

TEST(reader_takes_crlf_byte_order_mark_and_blank_end) {
  for (const char* data : {"a\tr\tb\nb\tr\tc\n", "a\tr\tb\r\nb\tr\tc\r\n",
                           "\xEF\xBB\xBF"
                           "a\tr\tb\nb\tr\tc",
                           "a\tr\tb\nb\tr\tc\n\n", "a\tr\tb\r\nb\tr\tc\r\n\r\n", "a\tr\tb\nb\tr\tc\r"}) {
    TripleReader reader;
    CHECK_EQ(text(reader.add(data, "file")), "0-0-1 1-0-2 ");
    CHECK_EQ(text(reader.entities()), "a|b|c|");
  }
}

TEST(reader_refuses_malformed_text_and_stays_as_it_was) {
  refuses("", "file:1: expected a triple, found an empty file");
  refuses("\xEF\xBB\xBF", "empty file");
  refuses("\n\n", "file:1: expected a triple");
  refuses("x\tr\ty\nx\tr\n", "file:2: expected 3 columns separated by tab, found 2 in \"x\\tr\"");
  refuses("x\tr\ty\tz\n", "file:1: expected 3 columns separated by tab, found 4");
  refuses("x\tr\ty\n\tr\ty\n", "file:2: expected the head in column 1, found an empty field");
  refuses("x\t\ty\n", "file:1: expected the relation in column 2");
  refuses("x\tr\t\r\n", "file:1: expected the tail in column 3");
  refuses("x\tr\ty\n\nx\tr\ty\n", "file:2: expected a triple, found a blank line");
  refuses("x\tr\ty\rz\tr\ty\n", "file:1: expected a line end, found a lone carriage return");
  refuses(std::string_view("x\tr\ty\nx\tr\t\0\n", 13), "file:2: expected UTF-8 text, found a NUL byte");
  refuses("h\tr\tt\n", "file:2: expected a triple, found the end of the file", {'\t', {0, 1, 2}, 0, true});
}

TEST(reader_refuses_what_is_not_utf8) {
  for (const char* bad : {"\xFF", "\x80", "\xC3", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                          "\xF0\x80\x80\x80", "\xE2\x82", "\xF5\x80\x80\x80"}) {
    refuses(std::string("long enough for words\tr\ty\nx\tr\tsome more text ") + bad + " and so on\n",
            "file:2: expected UTF-8 text, found byte 0x");
  }
  TripleReader reader;
  reader.add("\xC3\xA9\tr\t\xE2\x82\xAC \xF0\x9F\x98\x80 \xEF\xBF\xBD\n", "file");
  CHECK_EQ(text(reader.entities()), "\xC3\xA9|\xE2\x82\xAC \xF0\x9F\x98\x80 \xEF\xBF\xBD|");
}

TEST(reader_understands_csv_quotes) {
  TripleReader reader;
  CHECK_EQ(text(reader.add("\"a, b\",r,\"say \"\"hi\"\"\"\r\nplain,\"r\",\"two\nlines\"\n", "file", kCsv)),
           "0-0-1 2-0-3 ");
  CHECK_EQ(text(reader.entities()), "a, b|say \"hi\"|plain|two\nlines|");
  TripleReader tabs;
  tabs.add("\"a\tr\t\"b\"\n", "file");  // a quote is a character there
  CHECK_EQ(text(tabs.entities()), "\"a|\"b\"|");
  refuses("a,r,\"b\n", "file:1: expected a closing quote", kCsv);
  refuses("a,r,b\na,r,\"b\"c\n", "file:2: expected a delimiter after the closing quote", kCsv);
  refuses("a,r,b\"c\n", "file:1: expected quotes around a whole field", kCsv);
  refuses("\"a\n\n\",r,b\na,r\n", "file:4: expected 3 columns", kCsv);
  refuses("a,r,\"\"\n", "file:1: expected the tail", kCsv);
}

TEST(reader_picks_columns) {
  TripleReader reader;
  const TripleFormat format{';', {2, 0, 3}, 5, true};
  CHECK_EQ(text(reader.add("rel;id;from;to;when\nlikes;1;ann;bob;\n", "file", format)), "0-0-1 ");
  CHECK_EQ(text(reader.entities()), "ann|bob|");
  refuses("rel;id;from;to\n", "file:1: expected 5 columns separated by ';', found 4", format);
  const auto impossible = [&](TripleFormat f) { return reader.add("a\tr\tb\n", "file", f); };
  CHECK_THROWS(std::invalid_argument, "columns", impossible({'\t', {0, 0, 1}, 0, false}));
  CHECK_THROWS(std::invalid_argument, "columns", impossible({'\t', {-1, 0, 1}, 0, false}));
  CHECK_THROWS(std::invalid_argument, "num_columns", impossible({'\t', {0, 1, 2}, 2, false}));
  CHECK_THROWS(std::invalid_argument, "delimiter", impossible({'"', {0, 1, 2}, 0, false}));
  CHECK_THROWS(std::invalid_argument, "delimiter", impossible({'\n', {0, 1, 2}, 0, false}));
}

TEST(reader_lets_threads_take_turns) {
  TripleReader reader;
  const auto add = [&](char name) {
    for (int i = 0; i < 50; ++i) reader.add(std::string(1, name) + "\tr\t" + std::to_string(i) + "\n", "file");
  };
  std::thread a(add, 'a'), b(add, 'b');
  for (int i = 0; i < 20; ++i) reader.entities();
  a.join();
  b.join();
  CHECK_EQ(reader.entities().size(), 52);
  CHECK_EQ(reader.entities().first_duplicate(), -1);
}

TEST(names_are_found_by_their_bytes) {
  const Names names({"b", "", "a", "\xC3\xA9", "b", "ab"});
  CHECK_EQ(names.size(), 6);
  for (std::int32_t i = 0; i < names.size(); ++i) CHECK_EQ(names.find(names[i]), i == 4 ? 0 : i);
  CHECK_EQ(names.find("c"), -1);
  CHECK_EQ(names.first_duplicate(), 4);
  CHECK_EQ(Names({"a", "b"}).first_duplicate(), -1);
  names.check();
  Names(std::vector<std::string_view>{}).check();
  CHECK_EQ(Names().size(), 0);
  CHECK_EQ(Names().find("a"), -1);
  CHECK_THROWS(std::out_of_range, "name id", names[6]);
  CHECK_THROWS(std::out_of_range, "name id", names[-1]);
}

TEST(names_check_storage_that_came_from_outside) {
  const Names names({"b", "a", "c"});
  std::vector<std::int64_t> offsets(names.offsets().begin(), names.offsets().end());
  std::vector<std::int32_t> order(names.order().begin(), names.order().end());
  const auto wrapped = [&] { return Names(nullptr, offsets, names.bytes(), order); };
  wrapped().check();
  offsets[1] = 99;
  CHECK_THROWS(std::out_of_range, "outside the string table", wrapped()[0]);
  CHECK_THROWS(std::out_of_range, "corrupt", wrapped().find("a"));
  offsets[1] = 1;
  for (const std::int32_t bad : {-1, 3, 2, INT32_MAX}) {
    order[0] = bad;
    CHECK_THROWS(std::out_of_range, "", wrapped().check());
  }
  order[0] = 1;
  offsets[3] = 2;
  CHECK_THROWS(std::out_of_range, "span", wrapped().check());
}

TEST(interner_forgets_what_it_is_told_to) {
  Interner interner;
  for (int i = 0; i < 1000; ++i) CHECK_EQ(interner.intern("name " + std::to_string(i)), i);
  interner.truncate(10);
  CHECK_EQ(interner.size(), 10);
  CHECK_EQ(interner.intern("name 9"), 9);
  CHECK_EQ(interner.intern("name 500"), 10);
  interner.truncate(0);
  CHECK_EQ(interner.intern("name 500"), 0);
  CHECK_EQ(interner.names().size(), 1);
}

}  // namespace kgwalk
