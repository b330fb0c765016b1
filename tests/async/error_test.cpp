#include "tcpco/async/error.hpp"

#include <memory>
#include <string>
#include <system_error>

#include "catch.hpp"

using namespace tcpco;

static_assert(std::is_error_code_enum_v<errc>);
static_assert(std::is_trivially_destructible_v<io_result>);
static_assert(!std::is_aggregate_v<io_result_of<std::unique_ptr<int>>>);

TEST_CASE("Error codes compare with std::errc where it has a word for them", "[async]")
{
    CHECK(std::error_code{errc::connection_refused} == std::errc::connection_refused);
    CHECK(std::error_code{errc::connection_reset} == std::errc::connection_reset);
    CHECK(std::error_code{errc::connection_aborted} == std::errc::connection_aborted);
    CHECK(std::error_code{errc::timed_out} == std::errc::timed_out);
    CHECK(std::error_code{errc::host_unreachable} == std::errc::host_unreachable);
    CHECK(std::error_code{errc::network_unreachable} == std::errc::network_unreachable);
    CHECK(std::error_code{errc::port_unreachable} == std::errc::connection_refused);
    CHECK(std::error_code{errc::network_down} == std::errc::network_down);
    CHECK(std::error_code{errc::address_in_use} == std::errc::address_in_use);
    CHECK(std::error_code{errc::address_not_available} == std::errc::address_not_available);
    CHECK(std::error_code{errc::operation_not_permitted} == std::errc::operation_not_permitted);
    CHECK(std::error_code{errc::operation_in_progress} == std::errc::operation_in_progress);
    CHECK(std::error_code{errc::operation_not_supported} == std::errc::operation_not_supported);
    CHECK(std::error_code{errc::operation_canceled} == std::errc::operation_canceled);
    CHECK(std::error_code{errc::not_connected} == std::errc::not_connected);
    CHECK(std::error_code{errc::already_connected} == std::errc::already_connected);
    CHECK(std::error_code{errc::broken_pipe} == std::errc::broken_pipe);
    CHECK(std::error_code{errc::no_buffer_space} == std::errc::no_buffer_space);
    CHECK(std::error_code{errc::bad_file_descriptor} == std::errc::bad_file_descriptor);
    CHECK(std::error_code{errc::invalid_argument} == std::errc::invalid_argument);
    CHECK(std::error_code{errc::message_size} == std::errc::message_size);
    CHECK(std::error_code{errc::permission_denied} == std::errc::permission_denied);
    CHECK(std::error_code{errc::no_such_device} == std::errc::no_such_device);
    CHECK(std::error_code{errc::would_block} == std::errc::operation_would_block);
}

TEST_CASE("Error codes that differ do not compare equal, and success is false", "[async]")
{
    CHECK_FALSE(std::error_code{errc::connection_refused} == std::errc::connection_reset);
    CHECK_FALSE(std::error_code{errc::end_of_stream} == std::errc::invalid_argument);
    CHECK_FALSE(static_cast<bool>(std::error_code{errc::ok}));
    CHECK(std::error_code{errc::ok} == std::error_code{});
    CHECK(std::error_code{errc::end_of_stream} == errc::end_of_stream);
    CHECK(std::error_code{errc::end_of_stream} != errc::connection_reset);
}

TEST_CASE("An error code says its category and its message", "[async]")
{
    const std::error_code ec = errc::connection_refused;
    CHECK(std::string{ec.category().name()} == "tcpco");
    CHECK(ec.message() == "connection refused");
}

TEST_CASE("Every error but success and end of stream has a std::errc of its own category", "[async]")
{
    for (int e = 1; e <= static_cast<int>(errc::no_such_device); ++e) {
        const std::error_condition c = error_category().default_error_condition(e);
        CHECK((c.category() == std::generic_category()) == (static_cast<errc>(e) != errc::end_of_stream));
    }
}

TEST_CASE("The throwing form gives the value, or throws the code as std::system_error", "[async]")
{
    CHECK(value_or_throw(io_result{{}, 7}) == 7);
    CHECK(*value_or_throw(io_result_of<std::unique_ptr<int>>{std::make_unique<int>(3)}) == 3);
    CHECK_NOTHROW(value_or_throw(std::error_code{}));
    try {
        value_or_throw(io_result{errc::end_of_stream, 7});
        FAIL("it did not throw");
    } catch (const std::system_error& e) {
        CHECK(e.code() == errc::end_of_stream);
    }
    CHECK_THROWS_AS(value_or_throw(io_result_of<int>(errc::timed_out, 0)), std::system_error);
}

TEST_CASE("A result with a move-only value can be taken apart", "[async]")
{
    auto [ec, value] = io_result_of<std::unique_ptr<int>>{errc::timed_out, std::make_unique<int>(5)};
    CHECK(ec == errc::timed_out);
    CHECK(*value == 5);
}
