// A satellite of presence on a board: what config/esphome/satellite.yaml calls (docs/satellites.md is the contract).
//
// This has never run on a board. tests/scripts/test_esphome.py compiles it on a computer and holds it to the golden
// messages and to the gateway's own decoder; the YAML is checked by `esphome config`.
//
// 1. Of an advertisement it is given the service data of 0xFEAA and the strength, and keeps the EID, what stands behind
//    it, strength and time: no address is ever handed to it.
// 2. Without a nonce that is at most 15 s old it keeps nothing and says nothing.
// 3. What is older than 2 s is thrown away.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#ifdef USE_ESP32  // what the YAML calls
#include <esp_random.h>
#include <esp_timer.h>
#endif

namespace presence_satellite {

constexpr uint8_t VERSION = 1;
constexpr size_t NONCE_BYTES = 8, SESSION_BYTES = 8, EID_BYTES = 8, MAX_EXTENSION_BYTES = 10, KEY_BYTES = 32;
constexpr size_t MAC_BYTES = 16, MAX_READINGS = 32, MAX_WAITING = 256;
constexpr uint64_t MAX_AGE_MS = 2000, NONCE_OLD_MS = 15000, HEARTBEAT_MS = 1000;
constexpr uint8_t EID_FRAME_TYPE = 0x30;
constexpr size_t EID_FRAME_BYTES = 2 + EID_BYTES;  // type, power, EID

// HMAC-SHA256 over the content, 32 bytes into `digest`.
using Hmac = void (*)(const uint8_t *key, const uint8_t *content, size_t length, uint8_t *digest);

class Satellite {
 public:
  // `key_hex`: 64 hex digits. `session`: 8 random bytes, new at each start.
  Satellite(const char *chain, const char *store, const char *name, const char *key_hex, const uint8_t *session,
            Hmac hmac)
      : hmac_(hmac) {
    std::memcpy(this->session_, session, SESSION_BYTES);
    this->key_is_good_ = read_key_(key_hex, this->key_);
    this->head_ = "presence satellite heard v1";
    this->head_.push_back('\0');
    for (const char *word : {chain, store, name}) {
      this->head_.push_back(static_cast<char>(std::strlen(word)));
      this->head_ += word;
    }
  }

  // 64 hex digits were given; without a good key it stays silent.
  bool key_is_good() const { return this->key_is_good_; }

  // What came on …/nonce.
  void take_nonce(const std::string &payload, uint64_t now_ms) {
    if (payload.size() != 1 + NONCE_BYTES || static_cast<uint8_t>(payload[0]) != VERSION)
      return;
    std::memcpy(this->nonce_, payload.data() + 1, NONCE_BYTES);
    this->has_nonce_ = true;
    this->nonce_at_ms_ = now_ms;
  }

  // Does the gateway want us to listen?
  bool is_asked(uint64_t now_ms) const {
    return this->key_is_good_ && this->has_nonce_ && now_ms - this->nonce_at_ms_ <= NONCE_OLD_MS;
  }

  // The service data of 0xFEAA in one advertisement, without the UUID. Anything but an EID frame leaves no trace.
  void hear(const uint8_t *data, size_t length, int rssi_dbm, uint64_t now_ms) {
    if (!this->is_asked(now_ms) || length < EID_FRAME_BYTES || length > EID_FRAME_BYTES + MAX_EXTENSION_BYTES ||
        data[0] != EID_FRAME_TYPE || rssi_dbm < -126 || rssi_dbm > 0)
      return;
    Reading &reading = this->waiting_[(this->first_ + this->count_) % MAX_WAITING];
    if (this->count_ == MAX_WAITING)
      this->first_ = (this->first_ + 1) % MAX_WAITING;  // the oldest goes
    else
      this->count_++;
    reading.at_ms = now_ms;
    reading.rssi_dbm = static_cast<int8_t>(rssi_dbm);
    reading.extension = static_cast<uint8_t>(length - EID_FRAME_BYTES);
    std::memcpy(reading.bytes, data + 2, length - 2);
  }

  // The next message, or nothing. `listens`: the radio scans now; without it there is no heartbeat.
  std::string next(uint64_t now_ms, bool listens) {
    if (!this->is_asked(now_ms) || !listens) {
      this->count_ = 0;
      return "";
    }
    const uint64_t sent_ms = now_ms > this->sent_ms_ ? now_ms : this->sent_ms_ + 1;
    std::string body;
    body.push_back(static_cast<char>(VERSION));
    body.append(reinterpret_cast<const char *>(this->nonce_), NONCE_BYTES);
    body.append(reinterpret_cast<const char *>(this->session_), SESSION_BYTES);
    for (int shift = 40; shift >= 0; shift -= 8)
      body.push_back(static_cast<char>(sent_ms >> shift & 0xFF));
    if (!this->append_readings_(body, now_ms) && this->has_spoken_ && sent_ms - this->sent_ms_ < HEARTBEAT_MS)
      return "";
    this->sent_ms_ = sent_ms;
    this->has_spoken_ = true;
    const std::string content = this->head_ + body;
    uint8_t digest[32];
    this->hmac_(this->key_, reinterpret_cast<const uint8_t *>(content.data()), content.size(), digest);
    body.append(reinterpret_cast<const char *>(digest), MAC_BYTES);
    return body;
  }

 protected:
  struct Reading {
    uint64_t at_ms;
    int8_t rssi_dbm;
    uint8_t extension;
    uint8_t bytes[EID_BYTES + MAX_EXTENSION_BYTES];
  };

  bool append_readings_(std::string &body, uint64_t now_ms) {
    size_t appended = 0;
    while (this->count_ > 0 && appended < MAX_READINGS) {
      const Reading &reading = this->waiting_[this->first_];
      this->first_ = (this->first_ + 1) % MAX_WAITING;
      this->count_--;
      const uint64_t age_ms = now_ms - reading.at_ms;
      if (age_ms > MAX_AGE_MS)
        continue;
      body.push_back(static_cast<char>(age_ms >> 8));
      body.push_back(static_cast<char>(age_ms & 0xFF));
      body.push_back(static_cast<char>(reading.rssi_dbm));
      body.push_back(static_cast<char>(reading.extension));
      body.append(reinterpret_cast<const char *>(reading.bytes), EID_BYTES + reading.extension);
      appended++;
    }
    return appended > 0;
  }

  static bool read_key_(const char *hex, uint8_t *key) {
    if (std::strlen(hex) != 2 * KEY_BYTES)
      return false;
    for (size_t index = 0; index < 2 * KEY_BYTES; index++) {
      const char digit = hex[index];
      int value;
      if (digit >= '0' && digit <= '9')
        value = digit - '0';
      else if (digit >= 'a' && digit <= 'f')
        value = digit - 'a' + 10;
      else if (digit >= 'A' && digit <= 'F')
        value = digit - 'A' + 10;
      else
        return false;
      key[index / 2] = static_cast<uint8_t>(index % 2 == 0 ? value << 4 : key[index / 2] | value);
    }
    return true;
  }

  Hmac hmac_;
  std::string head_;  // of the content that the MAC is made over: label and names
  uint8_t key_[KEY_BYTES];
  uint8_t session_[SESSION_BYTES];
  uint8_t nonce_[NONCE_BYTES];
  Reading waiting_[MAX_WAITING];
  size_t first_{0}, count_{0};
  uint64_t nonce_at_ms_{0}, sent_ms_{0};
  bool key_is_good_{false}, has_nonce_{false}, has_spoken_{false};
};

}  // namespace presence_satellite
