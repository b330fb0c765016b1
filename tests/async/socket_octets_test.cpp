#include "tcpco/async/socket_octets.hpp"

#include <array>
#include <string>
#include <vector>

#include "catch.hpp"

using namespace tcpco;

namespace {

template <class T>
constexpr bool writable = std::is_convertible_v<T, const_octets>;
template <class T>
constexpr bool readable_into = std::is_convertible_v<T, mutable_octets>;

static_assert(writable<std::string_view> && writable<std::string> && writable<const std::string&>);
static_assert(writable<const char (&)[6]> && writable<const char*>);
static_assert(!writable<char (&)[6]>);  // text, or all of the array?
static_assert(writable<std::span<const std::byte>> && writable<std::span<unsigned char>>);
static_assert(writable<std::vector<std::byte>&> && writable<const std::array<std::uint8_t, 3>&> && writable<received>);
static_assert(!writable<std::vector<int>&> && !writable<int> && !writable<std::wstring>);

static_assert(readable_into<std::string&> && readable_into<std::vector<std::byte>&> && readable_into<char (&)[80]>);
static_assert(readable_into<std::span<std::byte>> && readable_into<std::span<char>&>);
static_assert(!readable_into<std::string> && !readable_into<std::vector<std::byte>>);  // nobody could look at it
static_assert(!readable_into<const std::string&> && !readable_into<std::string_view> && !readable_into<received&>);

static_assert(octet_storage<std::string> && octet_storage<std::vector<std::byte>>);
static_assert(!octet_storage<std::array<char, 4>> && !octet_storage<std::vector<int>>);
static_assert(std::is_nothrow_move_constructible_v<received>);

std::size_t size_of(const_octets o)
{
    return std::span<const std::byte>{o}.size();
}

}  // namespace

TEST_CASE("A literal is written without its terminating zero, text with all its octets", "[async]")
{
    CHECK(size_of("hello") == 5);
    CHECK(size_of("") == 0);
    CHECK(size_of(std::string{"a\0b", 3}) == 3);
    CHECK(size_of(std::string_view{"a\0b", 3}) == 3);
    const std::array<std::byte, 4> four{};
    CHECK(size_of(four) == 4);
}

TEST_CASE("Octets that were received keep their slot until they go", "[async]")
{
    buffer_pool pool{64, 1};
    received kept;
    {
        buffer slot = pool.acquire();
        std::memcpy(slot.data(), "octets", 6);
        const std::byte* first = slot.data();
        kept = received{slice{std::move(slot), first, 6}};
    }
    CHECK(pool.available() == 0);
    CHECK(kept.text() == "octets");
    CHECK(kept.size() == 6);
    CHECK(std::span<const std::byte>{kept}.data() == kept.begin());
    kept = received{};
    CHECK(kept.empty());
    CHECK(pool.available() == 1);
}
