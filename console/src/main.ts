import { createApp } from 'vue'
import App from './App.vue'
import { chosen, i18n, speak } from './i18n'
import { say } from './toast'
import './style.css'

speak(chosen())
const app = createApp(App).use(i18n)
// A part that fails must not take the ring and the queue with it, nor fail in silence.
app.config.errorHandler = (error) => {
  console.error(error)
  say('wrong', i18n.global.t('errors.unknown', { message: String(error) }))
}
app.mount('#app')
