// A decorator that writes what passes it to a pcapng file (draft-ietf-opsawg-pcapng), for Wireshark and tshark.
//
//     capture record{link_framing::ethernet};
//     if (auto ec = record.open("echo.pcapng", {.epoch_offset = capture::offset_to_wall_clock(reactor.now())})) { ... }
//     decorated link{tap0, record};
//
// Time stamps have nanoseconds: the moment a frame was harvested or sent, plus `epoch_offset`. With the offset left at
// zero and virtual time, the same run writes the same file, octet by octet.
//
// Each packet says whether it came in or went out. A checksum that was left to the device is completed in the file, so
// that no packet of ours shows as damaged; frames of more than `snap_length` are cut there. Without an open file
// everything passes through. Nothing is written but the section header, one interface, and packets.
#pragma once

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "tcpco/async/concepts.hpp"
#include "tcpco/async/vnet_header.hpp"
#include "tcpco/core/time.hpp"
#include "tcpco/storage/frame.hpp"

namespace tcpco {

struct capture_options {
    duration epoch_offset{};              // from the reactor's time to 1970-01-01
    std::uint32_t snap_length = 262'144;  // octets of a frame that are written at most
    std::string interface = "tcpco";      // its name in the file
    bool flush_each_turn = false;         // nothing is lost if the program is killed; a system call per turn
};

class capture {
public:
    explicit capture(link_framing framing) noexcept : framing_{framing} {}

    // Truncates the file. A capture that is open already is closed before.
    std::error_code open(const std::string& path, const capture_options& options = {})
    {
        file_.reset(std::fopen(path.c_str(), "wb"));
        error_ = {};
        packets_ = 0;
        options_ = options;
        if (!file_) {
            error_ = {errno, std::generic_category()};
            return error_;
        }
        write_header();
        return error_;
    }

    // Writes out what is buffered. The destructor does, too, but cannot say that it failed.
    std::error_code close()
    {
        flush();
        file_.reset();
        return error_;
    }

    void flush()
    {
        if (file_ && std::fflush(file_.get()) != 0) {
            give_up();
        }
        dirty_ = false;
    }

    bool is_open() const noexcept { return file_ != nullptr; }
    std::uint64_t packets() const noexcept { return packets_; }
    // After the first error nothing more is written; the stack goes on.
    std::error_code error() const noexcept { return error_; }

    static duration offset_to_wall_clock(time_point now)
    {
        return duration{std::chrono::system_clock::now().time_since_epoch()} - now.since_origin();
    }

    template <class Next>
    void ingress(time_point now, frame&& f, Next&& next)
    {
        if (file_) {
            octets_.assign(f.data.octets().begin(), f.data.octets().end());
            write_packet(f.info.arrived_at == time_point{} ? now : f.info.arrived_at, f.info, inbound);
        }
        next(std::move(f));
    }

    // Only what the device takes is written.
    template <class Next>
    sink_verdict egress(time_point now, const outgoing_frame& out, const buffer& keep, Next&& next)
    {
        if (!file_) {
            return next(out, keep);
        }
        octets_.resize(out.size());  // before the device has it: afterwards the memory may be gone
        out.copy_to(octets_.data());
        const sink_verdict verdict = next(out, keep);
        if (verdict != sink_verdict::refused) {
            write_packet(now, out.info, outbound);
        }
        return verdict;
    }

    time_point deadline() const noexcept { return time_point::never(); }

    template <class Up, class Down>
    void advance(time_point, buffer_pool&, Up&&, Down&&)
    {
        if (dirty_ && options_.flush_each_turn) {
            flush();
        }
    }

private:
    static constexpr std::uint32_t inbound = 1;  // epb_flags
    static constexpr std::uint32_t outbound = 2;

    struct closer {
        void operator()(std::FILE* f) const noexcept { static_cast<void>(std::fclose(f)); }
    };

    // A block grows in block_, in little-endian order whatever the machine.
    void put(std::uint64_t value, std::size_t octets)
    {
        for (; octets != 0; --octets, value >>= 8) {
            block_.push_back(static_cast<std::byte>(value & 0xFF));
        }
    }
    void put_padded(std::span<const std::byte> data)
    {
        block_.insert(block_.end(), data.begin(), data.end());
        block_.resize((block_.size() + 3) / 4 * 4);
    }
    void put_option(std::uint32_t code, std::span<const std::byte> value)
    {
        put(code, 2);
        put(value.size(), 2);
        put_padded(value);
    }
    void put_text_option(std::uint32_t code, std::string_view text)
    {
        put_option(code, std::as_bytes(std::span{text}));
    }
    void begin_block(std::uint32_t type)
    {
        block_.clear();
        put(type, 4);
        put(0, 4);  // the length, filled in at the end
    }
    void end_block()
    {
        const std::uint64_t length = block_.size() + 4;
        put(length, 4);
        for (std::size_t i = 0; i < 4; ++i) {
            block_[4 + i] = static_cast<std::byte>(length >> (8 * i) & 0xFF);
        }
        if (std::fwrite(block_.data(), 1, block_.size(), file_.get()) != block_.size()) {
            give_up();
        }
    }

    void write_header()
    {
        begin_block(0x0A0D0D0A);  // section header
        put(0x1A2B3C4D, 4);
        put(1, 2);  // version 1.0
        put(0, 2);
        put(~std::uint64_t{0}, 8);  // section length unknown
        put_text_option(4, "tcpco");  // shb_userappl
        put(0, 4);
        end_block();
        if (!file_) {
            return;
        }
        begin_block(1);  // interface description
        put(framing_ == link_framing::ethernet ? 1 : 101, 2);
        put(0, 2);
        put(options_.snap_length, 4);
        put_text_option(2, options_.interface);
        const std::byte nanoseconds[] = {std::byte{9}};
        put_option(9, nanoseconds);  // if_tsresol
        put(0, 4);
        end_block();
    }

    // The frame in octets_.
    void write_packet(time_point at, const frame_info& info, std::uint32_t direction)
    {
        if (info.checksum == checksum_state::partial) {
            complete_checksum();
        }
        const auto stamp = static_cast<std::uint64_t>((at + options_.epoch_offset).ns);
        const std::size_t kept = octets_.size() < options_.snap_length ? octets_.size() : options_.snap_length;
        begin_block(6);  // enhanced packet
        put(0, 4);       // of the one interface
        put(stamp >> 32, 4);
        put(stamp & 0xFFFFFFFF, 4);
        put(kept, 4);
        put(octets_.size(), 4);
        put_padded(std::span{octets_}.first(kept));
        put(2, 2);  // epb_flags
        put(4, 2);
        put(direction, 4);
        put(0, 4);
        end_block();
        ++packets_;
        dirty_ = true;
    }

    // The field holds the pseudo-header's sum: add the rest, and complement (RFC 1071).
    void complete_checksum() noexcept
    {
        const auto at = detail::transport_of(octets_, framing_);
        const std::size_t end = at.packet_end < octets_.size() ? at.packet_end : octets_.size();
        if (at.offset == 0 || end < at.offset + at.header_size) {
            return;
        }
        std::uint64_t sum = 0;
        for (std::size_t i = at.offset; i < end; ++i) {
            sum += (i - at.offset) % 2 == 0 ? detail::octet_at(octets_, i) << 8 : detail::octet_at(octets_, i);
        }
        while (sum > 0xFFFF) {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }
        sum = ~sum & 0xFFFF;
        octets_[at.offset + at.csum_offset] = static_cast<std::byte>(sum >> 8);
        octets_[at.offset + at.csum_offset + 1] = static_cast<std::byte>(sum & 0xFF);
    }

    void give_up() noexcept
    {
        error_ = {errno != 0 ? errno : EIO, std::generic_category()};
        file_.reset();
    }

    link_framing framing_;
    capture_options options_{};
    std::unique_ptr<std::FILE, closer> file_{};
    std::vector<std::byte> block_{};
    std::vector<std::byte> octets_{};
    std::error_code error_{};
    std::uint64_t packets_ = 0;
    bool dirty_ = false;
};

static_assert(frame_decorator<capture>);

}  // namespace tcpco
